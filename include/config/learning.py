"""The section `learning` of a candidate whose estimator learns in epochs: for how long, and what ends it early."""

from typing import Annotated

from pydantic import Field

from include.config.section import Section

Count = Annotated[int, Field(ge=2)]
WATCHED_ESTIMATORS = frozenset({"sklearn.linear_model.SGDClassifier", "sklearn.neural_network.MLPClassifier"})


class Learning(Section):
    """Epochs of `partial_fit`, watched. The newest training rows measure and do not teach; the best epoch is kept.

    Ended early by a rule, the training goes on with that epoch, and people are told; it has converged without a rule
    when the loss of the rows that measure is no better for `patience` epochs.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)]
    validation: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.1, description="Share of the training rows.")
    patience: Count = 10
    stuck: Count | None = Field(5, description="So many epochs, and not better than always the base rate.")
    diverging: Count | None = Field(3, description="So many epochs running the training loss rose, or it is no number.")
    overfitting: Count | None = Field(5, description="So many epochs running only the training loss got better.")
