"""Whether the ONNX graph says what the scikit-learn pipeline says, on hold-out rows and on rows made to hurt."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from include.registry.onnx_model import predict_onnx
from include.training.metrics import THRESHOLD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

MAX_BOUNDARY_ROWS = 3_000
MAX_LISTED = 20


@dataclass(frozen=True)
class ParityPart:
    """One set of rows. Differences are of the probability of the label 1, absolute."""

    rows: int
    label_agreement: float
    quantile_difference: float
    max_difference: float


@dataclass(frozen=True)
class Disagreement:
    """A row that gets another label from ONNX. At a tie both probabilities lie next to 0.5."""

    part: str
    row: int
    sklearn: float
    onnx: float


@dataclass(frozen=True)
class ParityReport:
    """`quantile` tells which quantile of the differences the parts hold; `disagreements` are the first few."""

    quantile: float
    holdout: ParityPart
    boundary: ParityPart
    disagreements: tuple[Disagreement, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ParityReport":
        """The reverse of `to_dict`."""
        return cls(
            quantile=float(values["quantile"]),
            holdout=ParityPart(**values["holdout"]),
            boundary=ParityPart(**values["boundary"]),
            disagreements=tuple(Disagreement(**one) for one in values["disagreements"]),
        )


def check_parity(
    pipeline: "Pipeline", onnx: bytes, holdout: "NDArray[np.float32]", *, quantile: float, seed: int
) -> ParityReport:
    """Run both on the hold-out rows, float32 [n, k], and on `boundary_rows`."""
    parts, listed = [], []
    for name, rows in (("holdout", holdout), ("boundary", boundary_rows(pipeline, holdout, seed=seed))):
        by_sklearn, by_onnx = pipeline.predict_proba(rows)[:, 1].astype(float), predict_onnx(onnx, rows)
        part, disagreements = _compare(name, by_sklearn, by_onnx, quantile)
        parts.append(part)
        listed.extend(disagreements)
    return ParityReport(quantile, parts[0], parts[1], tuple(listed[:MAX_LISTED]))


def boundary_rows(pipeline: "Pipeline", rows: "NDArray[np.float32]", *, seed: int) -> "NDArray[np.float32]":
    """Rows at which two implementations most easily part.

    Zeros; nothing known; one value unknown; each column at its ends; and, for trees, a row with one value exactly
    at a split point and at the float32 next to it on both sides. A forest has tens of thousands of splits: at most
    `MAX_BOUNDARY_ROWS` rows, drawn with `seed`.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    width = rows.shape[1]
    made = [np.zeros((1, width), np.float32), np.full((1, width), np.nan, np.float32)]
    for column in range(width):
        known = rows[:, column][~np.isnan(rows[:, column])]
        ends = (known.min(), known.max()) if len(known) else ()
        for value in (np.nan, 0.0, *ends):
            row = rows[draw.integers(len(rows))].copy()
            row[column] = value
            made.append(row[None, :])
    splits = _split_points(pipeline, width)
    if len(splits):
        chosen = splits[draw.permutation(len(splits))[: MAX_BOUNDARY_ROWS // 3]]
        columns, points = chosen[:, 0].astype(int), chosen[:, 1].astype(np.float32)
        for values in (points, np.nextafter(points, np.float32(-np.inf)), np.nextafter(points, np.float32(np.inf))):
            moved = rows[draw.integers(len(rows), size=len(points))].copy()
            moved[np.arange(len(points)), columns] = values
            made.append(moved)
    return np.concatenate(made).astype(np.float32)


def _split_points(pipeline: "Pipeline", width: int) -> "NDArray[np.float64]":
    """Column and threshold of every split, [m, 2], in the units of the pipeline's input; none without trees."""
    import numpy as np

    trees = _trees(pipeline[-1])
    if not trees:
        return np.empty((0, 2))
    found = [np.column_stack([tree.feature, tree.threshold])[tree.feature >= 0] for tree in trees]
    splits = np.unique(np.concatenate(found), axis=0)
    if "scaler" in pipeline.named_steps and len(splits):
        scaler, columns = pipeline.named_steps["scaler"], splits[:, 0].astype(int)
        splits[:, 1] = splits[:, 1] * scaler.scale_[columns] + scaler.mean_[columns]
    return splits[splits[:, 0] < width]


def _trees(estimator: Any) -> list[Any]:
    import numpy as np

    if hasattr(estimator, "tree_"):
        return [estimator.tree_]
    return [one.tree_ for one in np.ravel(getattr(estimator, "estimators_", [])) if hasattr(one, "tree_")]


def _compare(
    name: str, by_sklearn: "NDArray[np.float64]", by_onnx: "NDArray[np.float64]", quantile: float
) -> tuple[ParityPart, list[Disagreement]]:
    import numpy as np

    difference = np.abs(by_sklearn - by_onnx)
    other = np.flatnonzero((by_sklearn >= THRESHOLD) != (by_onnx >= THRESHOLD))
    part = ParityPart(
        rows=len(difference),
        label_agreement=1 - len(other) / len(difference),
        quantile_difference=float(np.quantile(difference, quantile)),
        max_difference=float(difference.max()),
    )
    listed = [Disagreement(name, int(row), float(by_sklearn[row]), float(by_onnx[row])) for row in other[:MAX_LISTED]]
    return part, listed
