"""A trained candidate, before its gates."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from almanac.config.grammar.expression import compile_expression
from almanac.config.schema import Model
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.category_mapping import CategoryMapping
from almanac.training.export.parity import ParityReport
from almanac.training.fit.learning import Curve
from almanac.training.fit.program_fit import ProgramFiles
from almanac.training.fit.selection import CandidateSelection
from almanac.training.leaks import LeakReport

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Measured:
    """Figures of the candidate, by metric. A metric that is not defined on the rows is missing, and gates refuse then.

    Attributes:
        train: on its own training rows; far above `holdout` means overfitting.
        holdout: on the last fold.
        baselines: of each baseline that could be computed, on the last fold.
        segments: on all folds together, by segment.
    """

    train: Mapping[str, float]
    holdout: Mapping[str, float]
    baselines: Mapping[str, Mapping[str, float]]
    segments: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class TrainingData:
    """The rows that a candidate was trained and measured on.

    Attributes:
        sha256: see `hash_rows`.
        labelled_rows: the number of rows with a known label.
        labelled_until: the newest event time with a known label, UTC.
        train_start: the first event time among the training rows, UTC; for a continued champion, its first training's.
        train_end: the last event time among the training rows, UTC.
        train_rows: the number of rows that this training fitted.
        holdout_rows: the number of rows in the last fold.
        split: by what the hold-out is split off, where the rows have no time; see `split_words`.
    """

    sha256: str
    labelled_rows: int
    labelled_until: datetime
    train_start: datetime
    train_end: datetime
    train_rows: int
    holdout_rows: int
    split: str = ""


@dataclass(frozen=True, eq=False)
class TrainedCandidate:
    """A candidate before its gates.

    Attributes:
        model: the declaration that it was trained by.
        selection: which declared candidate it is, and how it was chosen.
        data: the rows that it was trained and measured on.
        pipeline: fitted on rows before the hold-out, and never again.
        onnx: the same as a graph.
        features: names of the k features.
        parity: agreement of the two.
        rows: the backtest: `time`, `fold`, `label`, `answer` and one column per baseline. For a continued champion
            the hold-out alone: it was trained on the earlier folds.
        stump: the best rule on one column, in words.
        metrics: its figures.
        leaks: what its features know of the label that they should not.
        seconds: duration of each step.
        example: a few rows of features, float32 [m, k].
        curve: its loss by epoch, where the estimator is fitted in epochs.
        constant: features with at most one value in all training rows.
        categories: its mappings of categories.
        parent: the version whose pipeline it continues; empty: it was trained from scratch.
        program: what the program that trained it left; None: an estimator was fitted.
    """

    model: Model
    selection: CandidateSelection
    data: TrainingData
    pipeline: "Pipeline"
    onnx: bytes
    features: tuple[str, ...]
    parity: ParityReport
    rows: "pl.DataFrame"
    stump: str
    metrics: Measured
    leaks: LeakReport
    seconds: Mapping[str, float]
    example: "NDArray[np.float32]"
    curve: Curve | None = None
    constant: tuple[str, ...] = ()
    categories: tuple[CategoryMapping, ...] = ()
    parent: str = ""
    program: ProgramFiles | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings for people: how the learning curve ended, constant features, and `train.warn` that came true."""
        import polars as pl

        figures = {name: value for name, value in self.selection.params.items() if isinstance(value, int | float)}
        for part, values in (("train", self.metrics.train), ("holdout", self.metrics.holdout)):
            figures |= {f"{part}_{metric}": value for metric, value in values.items()}
        row = pl.DataFrame({name: [figures.get(name)] for name in self.model.train.figures}).cast(pl.Float64)
        warnings = [self.curve.words] if self.curve is not None and self.curve.words else []
        warnings += [f"candidate {name} did not compete: {why}" for name, why in self.selection.failed.items()]
        if self.constant:
            warnings.append(
                f"{', '.join(self.constant)}: constant in all {self.data.train_rows} training rows, so the model cannot"
                " use it; fix the source, or leave it out of `features`"
            )
        for name, condition in self.model.train.warn.items():
            if row.select(compile_expression(condition)).item():
                warnings.append(f"{name}: {condition}")
        return tuple(warnings)

    @property
    def estimator(self) -> str:
        """The import path of the estimator's class: the declared one, or, of a pipeline from elsewhere, its own."""
        declared, kind = self.model.train.candidates.get(self.selection.name), type(self.pipeline[-1])
        return declared.estimator if declared else f"{kind.__module__}.{kind.__qualname__}"

    @property
    def mode(self) -> Literal["scratch", "incremental"]:
        """How it was trained: from scratch, or as a continuation of the champion."""
        return "incremental" if self.parent else "scratch"


def hash_rows(rows: LabelledRows) -> str:
    """SHA-256 of names, times, features and labels: equal for equal training data, whatever file they came from."""
    import numpy as np

    digest = hashlib.sha256(json.dumps([rows.names, rows.values.shape]).encode())
    labels = rows.labels.astype("<f8" if rows.labels.dtype.kind == "f" else "<i1")
    for part in (rows.times.astype("<i8"), rows.values.astype("<f4"), labels):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def constant_features(rows: LabelledRows, trained_on: "NDArray[np.intp]", but: Collection[int] = ()) -> tuple[str, ...]:
    """The features with at most one value in the rows of these numbers, nulls apart; empty without rows.

    Those at the places `but` are left out.
    """
    import numpy as np

    values = rows.values[trained_on]
    if not len(values):
        return ()
    with np.errstate(invalid="ignore"):
        lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)  # of NaN alone: NaN
    still = ~(lowest < highest)
    places = np.setdiff1d(np.flatnonzero(still), list(but))
    return tuple(rows.names[place] for place in places)
