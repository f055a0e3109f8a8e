"""What a graph says of features: the one way from a matrix to predictions, in batches and to requests."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.features.features import FeatureMatrix
from almanac.registry.onnx_model import OnnxModel
from almanac.statistics.tasks import task_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Answers:
    """A version's word on n rows.

    Attributes:
        columns: of the predictions' table, see `almanac.statistics.tasks`; null where `rejected`.
        answered: [n] whether the graph gave numbers.
        rejected: [n] whether there is no prediction: an input is missing that must not be, or the graph gave no number.
        absent: [n, k] whether a feature has no value.
        missing: [n] the features without a value, as text; null: none.
    """

    columns: "list[pl.Series]"
    answered: "NDArray[np.bool_]"
    rejected: "NDArray[np.bool_]"
    absent: "NDArray[np.bool_]"
    missing: "pl.Series"


@dataclass(frozen=True, eq=False)
class RowAnswers:
    """The same of few rows, without a frame.

    Attributes:
        rows: [n] the columns of a prediction, by name.
        missing: [n] the features without a value, as text; None: none.
        answered: [n] whether the graph gave numbers.
    """

    rows: list[dict[str, Any]]
    missing: list[str | None]
    answered: "NDArray[np.bool_]"


def answer(model: Model, graph: OnnxModel, matrix: FeatureMatrix) -> Answers:
    """Let a graph answer.

    Raises:
        DataError: the graph wants a feature that the model no longer declares.
        IntegrityError: the graph fails.
    """
    masked, answered, rejected, absent = _predicted(model, graph, matrix)
    columns = task_of(model.label).columns(masked, graph.threshold)
    return Answers(columns, answered, rejected, absent, _names_of(absent, matrix.names))


def answer_rows(model: Model, graph: OnnxModel, matrix: FeatureMatrix) -> RowAnswers:
    """Let a graph answer few rows; says and raises what `answer` does."""
    masked, answered, _, absent = _predicted(model, graph, matrix)
    missing: list[str | None] = [None] * len(absent)
    if absent.any():
        for row, flags in enumerate(absent.tolist()):
            missing[row] = ", ".join(itertools.compress(matrix.names, flags)) or None
    return RowAnswers(task_of(model.label).rows(masked, graph.threshold), missing, answered)


def _predicted(
    model: Model, graph: OnnxModel, matrix: FeatureMatrix
) -> "tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]":
    """Predictions, NaN where there is none; whether the graph answered; which are rejected; what is absent."""
    import numpy as np

    predicted = graph.score(matrix, model.label.classes)
    absent = np.isnan(matrix.values)
    # a graph that gives no number has not answered
    answered = np.isfinite(predicted) if predicted.ndim == 1 else np.asarray(np.isfinite(predicted).all(axis=1))
    rejected = ~answered
    if must := [name for name in matrix.names if model.score.missing.get(name) == "reject"]:
        rejected |= absent[:, [matrix.names.index(name) for name in must]].any(axis=1)
    masked = predicted.copy()
    masked[rejected] = np.nan
    return masked, answered, rejected, absent


def _names_of(absent: "NDArray[np.bool_]", names: tuple[str, ...]) -> "pl.Series":
    """For each row the features that are absent, as text; null where none is."""
    import numpy as np
    import polars as pl

    found = absent.any(axis=1)
    patterns, which = np.unique(absent[found], axis=0, return_inverse=True)  # few, however many rows
    texts = [", ".join(np.array(names)[pattern]) for pattern in patterns]
    position = np.full(len(absent), len(texts), dtype=np.uint32)
    position[found] = which.reshape(-1)
    return pl.Series("missing", [*texts, None], dtype=pl.String).gather(pl.Series(position))
