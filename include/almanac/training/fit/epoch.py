"""One epoch of a fit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows: `Loss` on training and validation rows; the learning rate where known."""

    train_loss: float
    validation_loss: float
    learning_rate: float | None = None
