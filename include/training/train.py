"""Makes one candidate: backtests the declared ones, keeps the best, exports it and proves the export."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.config.schema import Model
from include.errors import ConfigError, DataError
from include.features.features import feature_columns
from include.features.labels import label_columns
from include.training import metrics
from include.training.backtest import Fold, LabelledRows, backtest_frame, labelled_rows, split, subset
from include.training.baselines import BASELINES, NaivePredictions, predict_naive
from include.training.candidates import Scalar, build_pipeline, choose_candidates, effective_params
from include.training.export import export_onnx
from include.training.parity import ParityReport, check_parity
from include.training.segments import segment_of

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measured:
    """Figures of the candidate by metric. What is not defined on the rows is left out, and gates refuse on it.

    Attributes:
        train: on its own training rows; far above `holdout` means overfitting.
        holdout: on the last fold.
        baselines: of each naive rule on the last fold.
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
        pipeline: fitted on the rows before the hold-out, and never again.
        onnx: the same as a graph.
        features: names of the k features.
        parity: how well the two agree.
        rows: the backtest: `time`, `fold`, `label`, `probability` and one column per naive rule.
        stump: the best rule on one column, in words.
        scores: `train.metric` of each candidate on the folds before the hold-out.
        metrics: its figures.
        train_start: the first and
        train_end: the last event time that it was fitted on.
        train_rows: how many rows it was fitted on.
        holdout_rows: how many rows it was measured on.
        labelled_rows: how many rows had a label.
        labelled_until: the newest row that had one.
        data_sha256: see `hash_rows`.
        seed: of every random choice.
        seconds: how long each part took.
        example: a few rows of features, float32 [m, k].
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
    scores: Mapping[str, float]
    metrics: Measured
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


@dataclass
class _Watch:
    """Times the parts of a training and tells about them."""

    tell: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def done(self, part: str, message: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = round(self.seconds.get(part, 0.0) + now - self._last, 3)
        self._last = now
        self.tell(message)


def _quiet(_message: str) -> None:
    """Tell nobody."""


def training_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that training and judging read."""
    return tuple(dict.fromkeys((*feature_columns(model), *label_columns(model))))


def train_candidate(
    model: Model,
    frame: "pl.DataFrame",
    *,
    now: datetime,
    candidates: Sequence[str] | None = None,
    overrides: Mapping[str, Scalar] | None = None,
    on_progress: Progress = _quiet,
) -> TrainedCandidate:
    """Train the declared candidates by rolling origin and make the best one ready to be judged.

    Same rows, declaration and seed give the same figures to the last digit.

    Args:
        model: declares features, label, backtest and candidates.
        frame: rows of one dataset version, at least `training_columns`.
        now: labels that become true after it are not known yet.
        candidates: names of those that compete; all of them without it.
        overrides: parameters of their estimators, in place of the YAML's.
        on_progress: told what was done, in words.

    Raises:
        ConfigError: a candidate or a parameter is unknown, or an estimator refuses its parameters.
        DataError: too few labelled rows, or rows of one class only.
    """
    watch = _Watch(on_progress)
    names = choose_candidates(model, candidates)
    params = {name: effective_params(model, name, overrides) for name in names}
    rows = labelled_rows(model, frame, now=now)
    folds = split(model, rows.times)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features, {len(folds)} folds")
    foretold, scores = _compete(model, rows, folds[:-1], names, overrides, watch)
    pick = min if model.train.metric in metrics.LOWER_IS_BETTER else max
    best = pick(scores, key=lambda name: scores[name])
    pipeline = _fit(model, best, overrides, rows, folds[-1])
    watch.done("fit", f"{best} is the best on the folds before the hold-out; fitted for the hold-out")
    foretold[best].append(_foretell(pipeline, rows.values[folds[-1].test]))
    naive = _naive(model, rows, folds)
    backtest = _collect(rows, folds, foretold[best], naive)
    measured = _measure(model, rows, folds[-1], pipeline, backtest)
    watch.done("measure", f"{model.train.metric} on the hold-out: {measured.holdout.get(model.train.metric)}")
    onnx, parity = _export(model, rows, folds[-1], pipeline, watch)
    times = rows.times[folds[-1].train]
    return TrainedCandidate(
        model=model,
        name=best,
        params=params[best],
        pipeline=pipeline,
        onnx=onnx,
        features=rows.names,
        parity=parity,
        rows=backtest,
        stump=naive[-1].stump,
        scores=scores,
        metrics=measured,
        train_start=_datetime(times[0]),
        train_end=_datetime(times[-1]),
        train_rows=len(times),
        holdout_rows=len(folds[-1].test),
        labelled_rows=len(rows),
        labelled_until=_datetime(rows.times[-1]),
        data_sha256=hash_rows(rows),
        seed=model.train.seed,
        seconds=watch.seconds,
        example=rows.values[folds[-1].test][:5],
    )


def hash_rows(rows: LabelledRows) -> str:
    """SHA-256 of names, times, features and labels: equal for equal training data, whatever file they came from."""
    import numpy as np

    digest = hashlib.sha256(json.dumps([rows.names, rows.values.shape]).encode())
    for part in (rows.times.astype("<i8"), rows.values.astype("<f4"), rows.labels.astype("<i1")):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _compete(
    model: Model,
    rows: LabelledRows,
    folds: Sequence[Fold],
    names: Sequence[str],
    overrides: Mapping[str, Scalar] | None,
    watch: _Watch,
) -> tuple[dict[str, list["NDArray[np.float64]"]], dict[str, float]]:
    """Each candidate's probabilities by fold, and its score on all these folds together."""
    import numpy as np

    truth = np.concatenate([rows.labels[fold.test] for fold in folds])
    foretold: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    scores: dict[str, float] = {}
    for name in names:
        for fold in folds:
            pipeline = _fit(model, name, overrides, rows, fold)
            foretold[name].append(_foretell(pipeline, rows.values[fold.test]))
            watch.done("fit", f"{name}: fold {fold.number + 1} of {len(folds) + 1}, {len(fold.train)} rows")
        scores[name] = metrics.measure(model.train.metric, truth, np.concatenate(foretold[name]))
    return foretold, scores


def _fit(model: Model, name: str, overrides: Mapping[str, Scalar] | None, rows: LabelledRows, fold: Fold) -> "Pipeline":
    import numpy as np

    labels = rows.labels[fold.train]
    if len(np.unique(labels)) < 2:
        raise DataError(f"{model.name}: all {len(labels)} training rows of fold {fold.number} have one label")
    pipeline = build_pipeline(model, name, overrides)
    try:
        return pipeline.fit(rows.values[fold.train], labels.astype(np.int64))  # ONNX has no operators on int8 labels
    except ValueError as error:
        raise ConfigError(f"{model.name}: candidate {name} cannot be fitted: {error}") from error


def _foretell(pipeline: "Pipeline", values: "NDArray[np.float32]") -> "NDArray[np.float64]":
    import numpy as np

    probabilities: NDArray[np.float64] = pipeline.predict_proba(values)[:, 1].astype(np.float64)
    return probabilities


def _naive(model: Model, rows: LabelledRows, folds: Sequence[Fold]) -> list[NaivePredictions]:
    metric = model.gates.baselines.metric
    return [predict_naive(subset(rows, fold.train), subset(rows, fold.test), metric) for fold in folds]


def _export(
    model: Model, rows: LabelledRows, fold: Fold, pipeline: "Pipeline", watch: _Watch
) -> tuple[bytes, ParityReport]:
    onnx = export_onnx(model, pipeline, rows.names)
    watch.done("export", f"exported to ONNX, {len(onnx) / 1e6:.1f} MB")
    quantile = model.gates.parity.quantile
    parity = check_parity(pipeline, onnx, rows.values[fold.test], quantile=quantile, seed=model.train.seed)
    watch.done("parity", f"ONNX agrees on {parity.holdout.label_agreement:.2%} of the hold-out's labels")
    return onnx, parity


def _collect(
    rows: LabelledRows,
    folds: Sequence[Fold],
    probabilities: Sequence["NDArray[np.float64]"],
    naive: Sequence[NaivePredictions],
) -> "pl.DataFrame":
    predictions = [
        {"probability": probability, **rules.probabilities}
        for probability, rules in zip(probabilities, naive, strict=True)
    ]
    return backtest_frame(rows, folds, predictions)


def _measure(model: Model, rows: LabelledRows, fold: Fold, pipeline: "Pipeline", backtest: "pl.DataFrame") -> Measured:
    import polars as pl

    last = backtest.filter(pl.col("fold") == fold.number)

    def figures(part: "pl.DataFrame", column: str) -> dict[str, float]:
        return metrics.measure_all(part["label"].to_numpy(), part[column].to_numpy())

    parts = backtest.with_columns(segment_of(model.gates.segments.by, "time").alias("segment"))
    return Measured(
        train=metrics.measure_all(rows.labels[fold.train], _foretell(pipeline, rows.values[fold.train])),
        holdout=figures(last, "probability"),
        baselines={name: figures(last, name) for name in BASELINES},
        segments={
            str(name): figures(part, "probability") for (name,), part in parts.group_by("segment", maintain_order=True)
        },
    )


def _datetime(time_: Any) -> datetime:
    value: datetime = time_.astype("datetime64[us]").item()
    return value.replace(tzinfo=UTC)
