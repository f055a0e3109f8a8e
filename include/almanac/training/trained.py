"""A candidate that was trained, before anybody has judged it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.grammar.expression import compile_expression
from almanac.config.schema import Model
from almanac.config.sections.search import Scalar
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.export.parity import ParityReport
from almanac.training.fit.learning import Curve
from almanac.training.fit.search import Trial
from almanac.training.leaks import LeakReport

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Measured:
    """Figures of the candidate by metric. What is not defined on the rows is left out, and gates refuse on it.

    Attributes:
        train: on its own training rows; far above `holdout` means overfitting.
        holdout: on the last fold.
        baselines: of each naive rule that could be computed, on the last fold.
        segments: on all folds together, by segment.
    """

    train: dict[str, float]
    holdout: dict[str, float]
    baselines: dict[str, dict[str, float]]
    segments: dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class TrainedCandidate:
    """A candidate that nobody has judged yet.

    Attributes:
        model: the declaration that it was made from.
        name: which declared candidate was chosen.
        params: all parameters of its estimator that were set.
        pipeline: fitted on rows before the hold-out, and never again.
        onnx: the same as a graph.
        features: names of the k features.
        parity: how well the two agree.
        rows: the backtest: `time`, `fold`, `label`, `answer` and one column per naive rule. Of a continued
            champion the hold-out alone: it has seen the earlier folds.
        stump: the best rule on one column, in words.
        threshold: from which probability on it says yes, chosen before the hold-out.
        scores: `train.metric` of each candidate on the folds before the hold-out.
        metrics: its figures.
        leaks: what its features know of the label that they should not.
        train_start: the first and
        train_end: the last event time that it has learnt, its parent's included.
        train_rows: how many rows it learnt in this training.
        holdout_rows: how many rows it was measured on.
        labelled_rows: how many rows had a label.
        labelled_until: the newest row that had one.
        data_sha256: see `hash_rows`.
        seed: of every random choice.
        seconds: how long each part took.
        example: a few rows of features, float32 [m, k].
        curve: how its estimator learnt, where that was watched.
        constant: features that hold one value only, or none, in every row that it has learnt.
        trials: what was tried on the folds before the hold-out.
        parent: the version whose pipeline it continues; empty: it was trained from scratch.
    """

    model: Model
    name: str
    params: Mapping[str, Scalar]
    pipeline: "Pipeline"
    onnx: bytes
    features: tuple[str, ...]
    parity: ParityReport
    rows: "pl.DataFrame"
    stump: str
    threshold: float
    scores: Mapping[str, float]
    metrics: Measured
    leaks: LeakReport
    train_start: datetime
    train_end: datetime
    train_rows: int
    holdout_rows: int
    labelled_rows: int
    labelled_until: datetime
    data_sha256: str
    seed: int
    seconds: Mapping[str, float]
    example: "NDArray[np.float32]"
    parent: str = ""
    trials: tuple[Trial, ...] = ()
    curve: Curve | None = None
    constant: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people are told of: how learning ended, features that never change, `train.warn` that came true."""
        import polars as pl

        figures = {name: value for name, value in self.params.items() if isinstance(value, int | float)}
        for part, values in (("train", self.metrics.train), ("holdout", self.metrics.holdout)):
            figures |= {f"{part}_{metric}": value for metric, value in values.items()}
        row = pl.DataFrame({name: [figures.get(name)] for name in self.model.train.figures}).cast(pl.Float64)
        said = [self.curve.words] if self.curve is not None and self.curve.words else []
        if self.constant:
            said.append(
                f"{', '.join(self.constant)}: constant in all {self.train_rows} training rows: nothing is learnt from"
                " it; mend the source, or leave it out of `features`"
            )
        for name, condition in self.model.train.warn.items():
            if row.select(compile_expression(condition)).item():
                said.append(f"{name}: {condition}")
        return tuple(said)

    @property
    def mode(self) -> str:
        """How it was trained: `incremental` or from `scratch`."""
        return "incremental" if self.parent else "scratch"


def hash_rows(rows: LabelledRows) -> str:
    """SHA-256 of names, times, features and labels: equal for equal training data, whatever file they came from."""
    import numpy as np

    digest = hashlib.sha256(json.dumps([rows.names, rows.values.shape]).encode())
    labels = rows.labels.astype("<f8" if rows.labels.dtype.kind == "f" else "<i1")
    for part in (rows.times.astype("<i8"), rows.values.astype("<f4"), labels):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def constant_features(rows: LabelledRows, learnt: "NDArray[np.intp]") -> tuple[str, ...]:
    """The features with no more than one value, nulls apart, in the rows of these numbers; none of no rows."""
    import numpy as np

    values = rows.values[learnt]
    if not len(values):
        return ()
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)  # of NaN alone: NaN
    still = ~(lowest < highest)
    return tuple(name for name, one in zip(rows.names, still, strict=True) if one)
