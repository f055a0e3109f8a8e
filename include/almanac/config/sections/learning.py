"""The section `learning` of a candidate whose estimator learns in epochs: for how long, and what ends it early."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field

from almanac.config.grammar.expression import check_expression
from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Slug

Count = Annotated[int, Field(ge=2)]
WATCHED_ESTIMATORS = frozenset(
    {
        "sklearn.linear_model.SGDClassifier",
        "sklearn.linear_model.SGDRegressor",
        "sklearn.neural_network.MLPClassifier",
        "sklearn.neural_network.MLPRegressor",
    }
)


FIGURES = ("epoch", "loss", "validation_loss", "learning_rate")


class EarlyStopping(Section):
    """Trees are added until the newest training rows, which are not trained on, are predicted no better."""

    rounds: Annotated[int, Field(ge=1)] = Field(50, description="So many trees without a better loss end it.")
    validation: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        0.1, description="Share of the training rows, the newest, that only measure."
    )


class Checkpoints(Section):
    """Where a training that diverges goes back to, and from where a killed one continues."""

    every: Annotated[int, Field(ge=1)] = Field(5, description="One after every N epochs, and at the end.")
    keep: Annotated[int, Field(ge=1)] = Field(3, description="How many of the newest are kept, besides the best.")
    on_diverging: Literal["end", "go_on"] = Field(
        "end", description="The best one is restored; then the training ends, or goes on with a smaller learning rate."
    )
    learning_rate_factor: Annotated[float, Field(gt=0, lt=1)] = Field(0.5, description="Of the continued training.")
    max_restores: Annotated[int, Field(ge=1)] = Field(3, description="Ends after this many in any case.")
    backup: bool = Field(True, description="A snapshot `checkpoints/<model>` after each.")


class Learning(Section):
    """Epochs of `partial_fit`, watched. The newest training rows measure and do not teach; the best epoch is kept.

    Ended early by a rule, the training goes on with that epoch, and people are told; it has converged without a rule
    when the loss of the rows that measure is no better for `patience` epochs.
    """

    epochs: Annotated[int, Field(ge=1, le=10_000)] = Field(description="Passes over the training rows, at most.")
    validation: Annotated[float, Field(gt=0, lt=0.5)] = Field(0.1, description="Share of the training rows.")
    patience: Count = Field(
        10, description="Epochs without a better loss on the newest rows, after which training ends."
    )
    stuck: Count | None = Field(5, description="After N epochs, not better than always predicting the base rate.")
    diverging: Count | None = Field(3, description="For N consecutive epochs the training loss rose, or it is NaN.")
    overfitting: Count | None = Field(5, description="For N consecutive epochs only the training loss improved.")
    limits: dict[Slug, str] = Field(
        default_factory=dict,
        description="Name -> condition on the figures of an epoch (epoch, loss, validation_loss, learning_rate,"
        " `metrics`) and on parameters that ends training: `gradient_norm > 100`.",
    )
    metrics: tuple[str, ...] = Field(
        (), description="What a program writes of an epoch besides these figures, for `limits`."
    )
    checkpoints: Checkpoints | None = Field(None, description="None: the best epoch is kept in memory alone.")

    def check_limits(self, params: Collection[str]) -> None:
        """Refuse a limit on something that no epoch and no parameter has.

        Args:
            params: names of the candidate's declared and searched parameters.

        Raises:
            ValueError: there is one.
        """
        known = dict.fromkeys((*FIGURES, *self.metrics, *params), "float")
        for name, condition in self.limits.items():
            check_expression(condition, known, where=f"learning.limits.{name}")
