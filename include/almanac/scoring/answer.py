"""What a graph says of features: the one way from a matrix to predictions, in batches and to requests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

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


def answer(model: Model, graph: OnnxModel, matrix: FeatureMatrix) -> Answers:
    """Let a graph answer.

    Raises:
        DataError: the graph wants a feature that the model no longer declares.
        IntegrityError: the graph fails.
    """
    import numpy as np

    predicted = graph.score(matrix, model.label.classes)
    absent = np.isnan(matrix.values)
    must = [name for name in matrix.names if model.score.missing.get(name) == "reject"]
    barred = np.asarray(absent[:, [matrix.names.index(name) for name in must]].any(axis=1))
    # a graph that gives no number has not answered
    answered = np.asarray(np.isfinite(predicted).all(axis=tuple(range(1, predicted.ndim))))
    rejected = barred | ~answered
    masked = predicted.copy()
    masked[rejected] = np.nan
    columns = task_of(model.label).columns(masked, graph.threshold)
    return Answers(columns, answered, rejected, absent, _names_of(absent, matrix.names))


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
