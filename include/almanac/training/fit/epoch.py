"""What one pass over the training rows gave."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows: `Loss` on them and on those that measure; learning rate where known."""

    train_loss: float
    validation_loss: float
    learning_rate: float | None = None
