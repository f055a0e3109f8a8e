"""Parity: the ONNX graph predicts what the scikit-learn pipeline predicts, on hold-out rows and on edge cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.grammar.estimators import family_of
from almanac.registry.onnx_model import OnnxModel
from almanac.statistics.metrics import THRESHOLD
from almanac.training.export.split_borders import SplitBorders, neighbour_tie
from almanac.training.fit.fitting import predict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

MAX_BOUNDARY_ROWS = 3_000
MAX_ALIKE = 200
MAX_LISTED = 1_000
SAME_NUMBER = 1e-3  # spreads; ten times what the default limit allows the quantile
FAR = 1e-5  # float32 rounding alone moves a probability by a tenth of it


@dataclass(frozen=True)
class ParityPart:
    """One set of rows. Differences are absolute, of the probability of the label 1, or in spreads, of numbers.

    Of several classes the difference of a row is the largest of its probabilities.

    Two numbers count as the same label when they differ by at most `SAME_NUMBER`.

    Attributes:
        rows: number of rows.
        label_agreement: share of the rows with the same label.
        quantile_difference: quantile of the differences, at the report's `quantile`.
        max_difference: largest difference.
        disagreeing: number of rows with different labels.
        far: number of rows that differ by more than `FAR`.
        at_borders: number of such rows by the feature at whose border they lie; "" where none was found.
    """

    rows: int
    label_agreement: float
    quantile_difference: float
    max_difference: float
    disagreeing: int = 0
    far: int = 0
    at_borders: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Disagreement:
    """A row with different labels.

    Attributes:
        part: its set of rows.
        row: its number among them.
        sklearn: its probability (or number) by scikit-learn; of several classes that of the class it predicts.
        onnx: its probability (or number) by ONNX; of the same class. At a tie both lie next to the threshold.
        border: the feature whose value lies on a split, or `neighbours` where two tie; empty: there is none.
    """

    part: str
    row: int
    sklearn: float
    onnx: float
    border: str = ""

    def is_explained(self, limit: float) -> bool:
        """Whether rounding is the cause: the two differ by at most `limit`, or the row lies at a border."""
        return abs(self.sklearn - self.onnx) <= limit or bool(self.border)


@dataclass(frozen=True)
class ParityReport:
    """Both sets of rows.

    Attributes:
        quantile: which quantile of the differences the parts hold.
        holdout: the rows of the hold-out.
        boundary: edge cases; see `boundary_rows`.
        disagreements: the rows with different labels, at most 1,000 of each part.
        family: of the estimator; limits are declared by it.
        spread: the unit of differences: 1 for probabilities; for numbers the standard deviation of scikit-learn's
            predictions on the hold-out.
    """

    quantile: float
    holdout: ParityPart
    boundary: ParityPart
    disagreements: tuple[Disagreement, ...] = ()
    family: str = ""
    spread: float = 1.0


def check_parity(
    pipeline: "Pipeline",
    onnx: bytes,
    holdout: "NDArray[np.float32]",
    *,
    quantile: float,
    seed: int,
    threshold: float = THRESHOLD,
    alike: Sequence[int] = (),
    family: str = "",
) -> ParityReport:
    """Compare both on the rows of the hold-out, float32 [n, k], and on `boundary_rows`; `family`: as it is declared."""
    graph = OnnxModel(onnx)
    classes = len(graph.classes)
    spread = float(predict(pipeline, holdout).std()) or 1.0 if graph.is_number else 1.0
    parts, listed = [], []
    for name, rows in (("holdout", holdout), ("boundary", boundary_rows(pipeline, holdout, seed=seed, alike=alike))):
        by_sklearn, by_onnx = predict(pipeline, rows, classes=classes), graph.predict(rows)
        border = None if graph.is_number else threshold
        compared = _Compared(name, pipeline, graph.features, rows, by_sklearn, by_onnx, border, spread)
        parts.append(compared.part(quantile))
        listed.extend(compared.disagreements())
    return ParityReport(
        quantile, parts[0], parts[1], tuple(listed), family or family_of(type(pipeline[-1]).__name__), spread
    )


def boundary_rows(
    pipeline: "Pipeline", rows: "NDArray[np.float32]", *, seed: int, alike: Sequence[int] = ()
) -> "NDArray[np.float32]":
    """Edge cases, on which two implementations most easily differ.

    Zeros; all values unknown; one value unknown; each column at its minimum and maximum; no known category (every
    column of zeros and ones is zero); values rounded the other way; and, for trees, a row with one value exactly at a
    split point and at the next float32 on both sides. A forest has tens of thousands of splits: at most
    `MAX_BOUNDARY_ROWS` rows of these, drawn with `seed`. Of the columns `alike`, which a text has by the thousand, at
    most `MAX_ALIKE` are tried one by one.
    """
    import numpy as np

    draw = np.random.default_rng(seed)
    width = rows.shape[1]
    made = [np.zeros((1, width), np.float32), np.full((1, width), np.nan, np.float32)]
    tried = draw.permutation(alike)[:MAX_ALIKE] if len(alike) > MAX_ALIKE else alike
    left_out = {*alike} - {int(place) for place in tried}
    for column in (place for place in range(width) if place not in left_out):
        known = rows[:, column][~np.isnan(rows[:, column])]
        ends = (known.min(), known.max()) if len(known) else ()
        for value in (np.nan, 0.0, *ends):
            row = rows[draw.integers(len(rows))].copy()
            row[column] = value
            made.append(row[None, :])
    some = rows[draw.integers(len(rows), size=10)]
    is_flag = np.isin(np.nan_to_num(rows), (0, 1)).all(axis=0)
    made += [np.where(is_flag, np.float32(0), some), np.nextafter(some, np.float32(np.inf))]
    splits = SplitBorders(pipeline, width).points()
    if len(splits):
        chosen = splits[draw.permutation(len(splits))[: MAX_BOUNDARY_ROWS // 3]]
        columns, points = chosen[:, 0].astype(int), chosen[:, 1].astype(np.float32)
        for values in (points, np.nextafter(points, np.float32(-np.inf)), np.nextafter(points, np.float32(np.inf))):
            moved = rows[draw.integers(len(rows), size=len(points))].copy()
            moved[np.arange(len(points)), columns] = values
            made.append(moved)
    return np.concatenate(made).astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Compared:
    """Both predictions of the same rows, [n], or [n, k] of classes; `threshold` is None for numbers."""

    name: str
    pipeline: "Pipeline"
    features: tuple[str, ...]
    rows: "NDArray[np.float32]"
    by_sklearn: "NDArray[np.float64]"
    by_onnx: "NDArray[np.float64]"
    threshold: float | None
    spread: float

    def part(self, quantile: float) -> ParityPart:
        import numpy as np

        difference = self._difference()
        other, far = len(self._other()), np.flatnonzero(difference > FAR)
        borders = self._borders(far[:MAX_LISTED])
        return ParityPart(
            rows=len(difference),
            label_agreement=1 - other / len(difference),
            quantile_difference=float(np.quantile(difference, quantile)),
            max_difference=float(difference.max()),
            disagreeing=other,
            far=len(far),
            at_borders={name: borders.count(name) for name in sorted(set(borders))},
        )

    def disagreements(self) -> list[Disagreement]:
        other = self._other()[:MAX_LISTED]
        at = self.by_sklearn.argmax(axis=1) if self.by_sklearn.ndim == 2 else None

        def of(side: "NDArray[np.float64]", row: int) -> float:
            return float(side[row] if at is None else side[row, at[row]])

        return [
            Disagreement(self.name, int(row), of(self.by_sklearn, row), of(self.by_onnx, row), border)
            for row, border in zip(other, self._borders(other), strict=True)
        ]

    def _difference(self) -> "NDArray[np.float64]":
        import numpy as np

        moved = np.abs(self.by_sklearn - self.by_onnx) / self.spread
        largest: NDArray[np.float64] = moved.max(axis=1) if moved.ndim == 2 else moved
        return largest

    def _other(self) -> "NDArray[np.intp]":
        import numpy as np

        if self.threshold is None:
            return np.flatnonzero(~(self._difference() <= SAME_NUMBER))  # NaN is a disagreement
        if self.by_sklearn.ndim == 2:
            return np.flatnonzero(self.by_sklearn.argmax(axis=1) != self.by_onnx.argmax(axis=1))
        return np.flatnonzero((self.by_sklearn >= self.threshold) != (self.by_onnx >= self.threshold))

    def _borders(self, chosen: "NDArray[np.intp]") -> list[str]:
        """For each chosen row, the feature at whose border it lies."""
        if not len(chosen):
            return []
        rows = self.rows[chosen]
        ties = neighbour_tie(self.pipeline, rows)
        columns = SplitBorders(self.pipeline, len(self.features)).nearest(rows)
        return [
            self.features[column] if column >= 0 else "neighbours" if tie else ""
            for column, tie in zip(columns, ties, strict=True)
        ]
