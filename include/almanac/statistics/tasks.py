"""What predictions of each kind of label mean: one class for each kind, and `task_of` finds it.

Labels are an array [n]: 0 or 1, numbers, or positions of classes in their declared order. Predictions are an array [n]:
probabilities of the label 1, or numbers; or, of several classes, their probabilities, [n, k]. A column of a polars
frame holds either, the latter as `Array(Float64, k)`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac.config.sections.label import Label
from almanac.statistics import metrics
from almanac.statistics.class_metrics import confusion, precisions, recalls

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Predictions = NDArray[np.float64]

PREDICTED = "predicted_class"  # the text of the predicted class, where there are classes


class Task(ABC):
    """One kind of label.

    Args:
        label: as it is declared.
    """

    stored: str  # dtype of labels in memory
    fitted: str  # dtype of labels that estimators are fitted on: ONNX has no operators on int8

    def __init__(self, label: Label) -> None:
        self.label = label

    def figures(
        self, labels: "metrics.Labels", predictions: "Predictions", *, threshold: float = metrics.THRESHOLD
    ) -> dict[str, float]:
        """Every figure that is defined on these rows."""
        return metrics.measure_all(labels, predictions, self.label.metrics, threshold=threshold)

    def read(self, frame: "pl.DataFrame", name: str) -> "pl.Series":
        """The predictions that a frame of the predictions' table holds, under this name."""
        return frame[self.label.kind.prediction_column].alias(name)

    def watched(self, predictions: "Predictions") -> "Predictions":
        """What is watched of each prediction, [n]; NaN where there is none."""
        return predictions

    def moved_by(self, before: "Predictions", after: "Predictions") -> float:
        """How far the predictions moved on average."""
        return float(after.mean()) - float(before.mean())

    def targets(self, labels: "NDArray[Any]") -> "NDArray[np.float64]":
        """The labels as numbers whose variance can be explained, [n] or [n, k]."""
        return labels.astype("float64")

    def predicted(self, predictions: "Predictions", threshold: float) -> "pl.Series | None":
        """The text of each predicted class, null without a prediction; None: numbers are predicted."""
        return None

    @abstractmethod
    def columns(self, predictions: "Predictions", threshold: float) -> "list[pl.Series]":
        """The columns of the predictions' table; null where a prediction is NaN."""

    @abstractmethod
    def rows(self, predictions: "Predictions", threshold: float) -> list[dict[str, Any]]:
        """The same, row by row: what `columns` says, for few rows, where frames cost more than the figures."""

    @abstractmethod
    def differ(
        self,
        ours: "Predictions",
        theirs: "Predictions",
        *,
        thresholds: tuple[float, float],
        far: float,
    ) -> "NDArray[np.bool_]":
        """Which rows get another label from one version than from the other, [n].

        Args:
            ours: predictions.
            theirs: of the other version.
            thresholds: from which probability on each of them says yes.
            far: from which difference on two numbers are different.

        Raises:
            ValueError: a prediction is none.
        """


class YesNo(Task):
    """Whether something comes true."""

    stored, fitted = "int8", "int64"

    def predicted(self, predictions: "Predictions", threshold: float) -> "pl.Series":
        """Yes or no at the threshold."""
        import numpy as np
        import polars as pl

        classes = pl.Series(PREDICTED, np.where(predictions >= threshold, "yes", "no"))
        return classes.set(pl.Series(np.isnan(predictions)), None)

    def columns(self, predictions: "Predictions", threshold: float) -> "list[pl.Series]":
        """`probability` and `label`."""
        import polars as pl

        probability = pl.Series(self.label.kind.prediction_column, predictions).fill_nan(None)
        return [probability, (probability >= threshold).cast(pl.Int8).alias("label")]

    def rows(self, predictions: "Predictions", threshold: float) -> list[dict[str, Any]]:
        """`probability` and `label`."""
        name = self.label.kind.prediction_column
        return [
            {name: None, "label": None} if each is None else {name: each, "label": int(each >= threshold)}
            for each in _known(predictions)
        ]

    def differ(
        self,
        ours: "Predictions",
        theirs: "Predictions",
        *,
        thresholds: tuple[float, float],
        far: float,
    ) -> "NDArray[np.bool_]":
        """Those on the other side of the threshold."""
        check_probabilities(ours, theirs)
        differs: NDArray[np.bool_] = (ours >= thresholds[0]) != (theirs >= thresholds[1])
        return differs


class Number(Task):
    """A number."""

    stored, fitted = "float64", "float64"

    def columns(self, predictions: "Predictions", threshold: float) -> "list[pl.Series]":
        """`prediction`."""
        import polars as pl

        return [pl.Series(self.label.kind.prediction_column, predictions).fill_nan(None)]

    def rows(self, predictions: "Predictions", threshold: float) -> list[dict[str, Any]]:
        """`prediction`."""
        return [{self.label.kind.prediction_column: each} for each in _known(predictions)]

    def differ(
        self,
        ours: "Predictions",
        theirs: "Predictions",
        *,
        thresholds: tuple[float, float],
        far: float,
    ) -> "NDArray[np.bool_]":
        """Those further apart than `far`."""
        import numpy as np

        moved = np.abs(ours - theirs)
        if not np.isfinite(moved).all():
            raise ValueError(f"{int((~np.isfinite(moved)).sum())} of {len(moved)} predictions are not finite")
        differs: NDArray[np.bool_] = moved > far
        return differs


class Classes(Task):
    """One of several classes; the likeliest one is predicted, of equal ones the first."""

    stored, fitted = "int8", "int64"

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in their declared order."""
        return self.label.classes or ()

    def figures(
        self, labels: "metrics.Labels", predictions: "Predictions", *, threshold: float = metrics.THRESHOLD
    ) -> dict[str, float]:
        """The metrics, and recall and precision of each class that occurs."""
        import numpy as np

        found = super().figures(labels, predictions)
        if not found:
            return found
        counts = confusion(labels, predictions)
        for what, values in (("recall", recalls(counts)), ("precision", precisions(counts))):
            found |= {
                f"{what}.{name}": float(value)
                for name, value in zip(self.names, values, strict=True)
                if np.isfinite(value)
            }
        return found

    def read(self, frame: "pl.DataFrame", name: str) -> "pl.Series":
        """The probabilities of all classes; 0 of one that was declared later, null without a prediction."""
        import polars as pl

        parts = [
            pl.col(part).fill_null(0.0) if part in frame.columns else pl.lit(0.0)
            for part in self.label.probability_columns.values()
        ]
        said = pl.col(self.label.kind.prediction_column).is_not_null()
        return frame.select(pl.when(said).then(pl.concat_arr(parts)).alias(name))[name]

    def watched(self, predictions: "Predictions") -> "Predictions":
        """The probability of the predicted class."""
        top: Predictions = predictions.max(axis=1, initial=0.0)
        return top

    def moved_by(self, before: "Predictions", after: "Predictions") -> float:
        """The share of the predicted mix that went from one class to another (total variation distance)."""
        import numpy as np

        return float(np.abs(after.mean(axis=0) - before.mean(axis=0)).sum() / 2)

    def targets(self, labels: "NDArray[Any]") -> "NDArray[np.float64]":
        """Whether each class is the true one, 0 or 1, [n, k]: their order means nothing."""
        import numpy as np

        indicators: Predictions = (labels[:, None] == np.arange(len(self.names))).astype(np.float64)
        return indicators

    def predicted(self, predictions: "Predictions", threshold: float) -> "pl.Series":
        """The name of the likeliest class."""
        import numpy as np
        import polars as pl

        known = ~np.isnan(predictions).any(axis=1)
        position = np.where(known, np.nan_to_num(predictions).argmax(axis=1), len(self.names))
        return pl.Series(PREDICTED, [*self.names, None], dtype=pl.String).gather(pl.Series(position))

    def columns(self, predictions: "Predictions", threshold: float) -> "list[pl.Series]":
        """`label`, `probability` (of it), and the probability of each class."""
        import numpy as np
        import polars as pl

        absent = np.isnan(predictions).any(axis=1, keepdims=True)
        predictions = np.where(absent, np.nan, predictions)
        label = self.predicted(predictions, threshold).alias("label")
        each = [
            pl.Series(column, np.ascontiguousarray(predictions[:, number])).fill_nan(None)
            for number, column in enumerate(self.label.probability_columns.values())
        ]
        top = pl.Series(self.label.kind.prediction_column, self.watched(predictions)).fill_nan(None)
        return [label, top, *each]

    def rows(self, predictions: "Predictions", threshold: float) -> list[dict[str, Any]]:
        """`label`, `probability` (of it), and the probability of each class."""
        import numpy as np

        top, places = self.label.kind.prediction_column, self.label.probability_columns.values()
        found: list[dict[str, Any]] = []
        for each in predictions:
            known = not np.isnan(each).any()
            label, highest = (self.names[int(each.argmax())], max(float(each.max()), 0.0)) if known else (None, None)
            parts = each.tolist() if known else [None] * len(each)
            found.append({"label": label, top: highest, **dict(zip(places, parts, strict=True))})
        return found

    def differ(
        self,
        ours: "Predictions",
        theirs: "Predictions",
        *,
        thresholds: tuple[float, float],
        far: float,
    ) -> "NDArray[np.bool_]":
        """Those with another likeliest class."""
        check_probabilities(ours, theirs)
        differs: NDArray[np.bool_] = ours.argmax(axis=1) != theirs.argmax(axis=1)
        return differs


def _known(predictions: "Predictions") -> list[float | None]:
    return [each if each == each else None for each in predictions.tolist()]  # NaN is not itself


_TASKS: Mapping[str, type[Task]] = {"yes_no": YesNo, "number": Number, "classes": Classes}


def task_of(label: Label) -> Task:
    """The kind of a label."""
    return _TASKS[label.kind.name](label)


def check_probabilities(*sides: "Predictions") -> None:
    """Refuse what is no probability: a comparison with a threshold, or with another class, would give a label.

    Raises:
        ValueError: there is one.
    """
    for side in sides:
        possible = (side >= 0) & (side <= 1)
        if not possible.all():
            raise ValueError(f"{int((~possible).sum())} probabilities of {side.size} are NaN or outside [0, 1]")
