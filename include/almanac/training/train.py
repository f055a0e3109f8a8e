"""Makes one candidate: backtests the declared ones, keeps the best, exports it and proves the export."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.expression import columns_of
from almanac.config.schema import Model
from almanac.config.sections.label import check_rare
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError
from almanac.features.features import feature_columns
from almanac.features.labels import label_columns
from almanac.statistics import metrics
from almanac.statistics.segments import with_segment
from almanac.training.backtest.backtest import (
    Fold,
    LabelledRows,
    backtest_frame,
    labelled_rows,
    naive_rules,
    other_columns,
    split,
    subset,
)
from almanac.training.backtest.baselines import NaivePredictions, predict_naive
from almanac.training.backtest.number_baselines import predict_naive_numbers
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import ParityReport, check_parity
from almanac.training.fit.candidates import choose_candidates, effective_params
from almanac.training.fit.checkpoints import Checkpointing
from almanac.training.fit.compete import Arena
from almanac.training.fit.continuation import Parent, continuation_faults, continue_champion, new_rows
from almanac.training.fit.fitting import fit_watched, foretell
from almanac.training.fit.learning import Curve
from almanac.training.fit.search import Trial
from almanac.training.leaks import measure_leaks
from almanac.training.trained import Measured, TrainedCandidate, constant_features, hash_rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

Progress = Callable[[str], None]


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
    of_rules = (column for text in model.gates.baselines.rules.values() for column in columns_of(text))
    used = (*feature_columns(model), *label_columns(model), *other_columns(model).values(), *of_rules)
    return tuple(dict.fromkeys(used))


@dataclass(frozen=True, eq=False)
class _Made:
    """A fitted pipeline and what is known about how it was made.

    Attributes:
        name: which declared candidate it is.
        params: of its estimator.
        pipeline: fitted on `learnt`.
        learnt: the numbers of the rows that it has learnt in this training.
        foretold: its kind's answers, for each of `folds`.
        folds: those of the backtest that say something about it; the last one is the hold-out.
        threshold: from which probability on it says yes.
        scores: of all that competed, by name.
        train_start: the first event time that it has learnt, ever.
        parent: the version that it continues; empty: it was trained from scratch.
        trials: what was tried before it was chosen.
        curve: how it learnt, where that was watched.
    """

    name: str
    params: Mapping[str, Scalar]
    pipeline: "Pipeline"
    learnt: "NDArray[np.intp]"
    foretold: Sequence["NDArray[np.float64]"]
    folds: Sequence[Fold]
    threshold: float
    scores: Mapping[str, float]
    train_start: datetime
    parent: str = ""
    trials: tuple[Trial, ...] = ()
    curve: Curve | None = None


def train_candidate(
    model: Model,
    frame: "pl.DataFrame",
    *,
    now: datetime,
    candidates: Sequence[str] | None = None,
    overrides: Mapping[str, Scalar] | None = None,
    searched: Sequence[Trial] = (),
    on_progress: Progress = _quiet,
    checkpoints: Checkpointing | None = None,
) -> TrainedCandidate:
    """Train the declared candidates by rolling origin and make the best one ready to be judged.

    Same rows, declaration and seed give the same figures to the last digit.

    Args:
        model: declares features, label, backtest and candidates.
        frame: rows of one dataset version, at least `training_columns`.
        now: labels that become true after it are not known yet.
        candidates: names of those that compete; all of them without it.
        overrides: parameters of their estimators, in place of the YAML's and of what a search finds.
        searched: trials of their searches that were made in other tasks, on the same rows.
        on_progress: told what was done, in words.
        checkpoints: where those of the last fit go; none: nowhere.

    Raises:
        ConfigError: a candidate or a parameter is unknown, or an estimator refuses its parameters.
        DataError: too few labelled rows, or rows of one class only.
    """
    watch = _Watch(on_progress)
    names = choose_candidates(model, candidates)
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features, {len(folds)} folds")
    arena = Arena(model, rows, folds[:-1], overrides, lambda message: watch.done("fit", message))
    winner, holdout = arena.compete(names, searched), folds[-1]
    # what was found is what is fitted: a search whose result is thrown away was for nothing
    pipeline, curve = fit_watched(model, winner.name, winner.overrides, rows, holdout.train, checkpoints)
    watch.done("fit", f"{winner.name} is the best on the folds before the hold-out; fitted for the hold-out")
    made = _Made(
        name=winner.name,
        params=effective_params(model, winner.name, winner.overrides),
        pipeline=pipeline,
        learnt=holdout.train,
        foretold=[*winner.foretold, foretell(pipeline, rows.values[holdout.test])],
        folds=folds,
        threshold=winner.threshold,
        scores=winner.scores,
        train_start=_datetime(rows.times[holdout.train][0]),
        trials=winner.trials,
        curve=curve,
    )
    return _finish(model, rows, made, watch)


def continue_candidate(
    model: Model, frame: "pl.DataFrame", *, now: datetime, parent: Parent, on_progress: Progress = _quiet
) -> TrainedCandidate:
    """Let the champion learn the rows that it has not learnt yet, and make the result ready to be judged.

    It has seen the earlier folds of the backtest, so only the hold-out says something about it.

    Args:
        model: declares features, label and backtest.
        frame: rows of one dataset version, at least `training_columns`.
        now: labels that become true after it are not known yet.
        parent: the champion.
        on_progress: told what was done, in words.

    Raises:
        ConfigError: the champion cannot be continued; see `continuation_faults`.
        DataError: too few labelled rows.
    """
    watch = _Watch(on_progress)
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features")
    holdout = folds[-1]
    faults = continuation_faults(model, parent, holdout, rows.times)
    if faults:
        raise ConfigError(f"{model.name}: the champion cannot be continued: {'; '.join(faults)}. Train from scratch")
    learnt = new_rows(parent, holdout, rows.times)
    pipeline = continue_champion(parent, rows, learnt)
    watch.done("fit", f"version {parent.version} has learnt {len(learnt)} more rows")
    foretold = [foretell(pipeline, rows.values[holdout.test])]
    made = _Made(
        name=parent.candidate,
        params=parent.params,
        pipeline=pipeline,
        learnt=learnt,
        foretold=foretold,
        folds=[holdout],
        threshold=parent.threshold,  # there is no fold that it has not seen to choose another one on
        scores={},
        train_start=parent.train_start,
        parent=parent.version,
    )
    return _finish(model, rows, made, watch)


def prepare(model: Model, frame: "pl.DataFrame", *, now: datetime) -> tuple[LabelledRows, tuple[Fold, ...]]:
    """The labelled rows and the folds of the backtest; the last one is the hold-out.

    Raises:
        ConfigError: one label is rare, and candidates would be chosen by accuracy.
        DataError: the frame is not what the model declares, or has too few labelled rows.
    """
    rows = labelled_rows(model, frame, now=now)
    if len(rows) and not model.label.is_number:
        try:
            check_rare(model, float(rows.labels.mean()))
        except ValueError as error:
            raise ConfigError(f"{model.name}: {error}") from error
    return rows, split(model, rows.times)


def _finish(model: Model, rows: LabelledRows, made: _Made, watch: _Watch) -> TrainedCandidate:
    """Measure what was made, export it and prove the export."""
    holdout = made.folds[-1]
    naive = _naive(model, rows, made.folds)
    backtest = _collect(rows, made.folds, made.foretold, naive)
    measured = _measure(model, rows, holdout, made, backtest)
    watch.done("measure", f"{model.train.metric} on the hold-out: {measured.holdout.get(model.train.metric)}")
    leaks = measure_leaks(model, rows, holdout)
    watch.done("leaks", f"{leaks.duplicates} of {leaks.rows} rows of the hold-out stand in training")
    onnx, parity = _export(model, rows, holdout, made, watch)
    return TrainedCandidate(
        model=model,
        name=made.name,
        params=made.params,
        pipeline=made.pipeline,
        onnx=onnx,
        features=rows.names,
        parity=parity,
        rows=backtest,
        stump=naive[-1].stump,
        threshold=made.threshold,
        scores=made.scores,
        metrics=measured,
        leaks=leaks,
        train_start=made.train_start,
        train_end=_datetime(rows.times[made.learnt][-1]),
        train_rows=len(made.learnt),
        holdout_rows=len(holdout.test),
        labelled_rows=len(rows),
        labelled_until=_datetime(rows.times[-1]),
        data_sha256=hash_rows(rows),
        seed=model.train.seed,
        seconds=watch.seconds,
        example=rows.values[holdout.test][:5],
        parent=made.parent,
        trials=made.trials,
        curve=made.curve,
        constant=() if made.parent else constant_features(rows, made.learnt),
    )


def _naive(model: Model, rows: LabelledRows, folds: Sequence[Fold]) -> list[NaivePredictions]:
    parts = [(subset(rows, fold.train), subset(rows, fold.test)) for fold in folds]
    if model.label.is_number:
        return [predict_naive_numbers(train, test) for train, test in parts]
    return [predict_naive(train, test, model.gates.baselines.metric) for train, test in parts]


def _export(model: Model, rows: LabelledRows, fold: Fold, made: _Made, watch: _Watch) -> tuple[bytes, ParityReport]:
    onnx = export_onnx(model, made.pipeline, rows.names, threshold=made.threshold)
    watch.done("export", f"exported to ONNX, {len(onnx) / 1e6:.1f} MB")
    quantile = model.gates.parity.quantile
    parity = check_parity(
        made.pipeline,
        onnx,
        rows.values[fold.test],
        quantile=quantile,
        seed=model.train.seed,
        threshold=made.threshold,
    )
    watch.done("parity", f"ONNX agrees on {parity.holdout.label_agreement:.2%} of the hold-out's labels")
    return onnx, parity


def _collect(
    rows: LabelledRows,
    folds: Sequence[Fold],
    answers: Sequence["NDArray[np.float64]"],
    naive: Sequence[NaivePredictions],
) -> "pl.DataFrame":
    predictions = [{"answer": foretold, **rules.answers} for foretold, rules in zip(answers, naive, strict=True)]
    return backtest_frame(rows, folds, predictions)


def _measure(model: Model, rows: LabelledRows, fold: Fold, made: _Made, backtest: "pl.DataFrame") -> Measured:
    import polars as pl

    last = backtest.filter(pl.col("fold") == fold.number)

    def figures(part: "pl.DataFrame", column: str) -> dict[str, float]:
        threshold = made.threshold if column == "answer" else metrics.THRESHOLD
        return metrics.measure_all(
            part["label"].to_numpy(), part[column].to_numpy(), model.label.metrics, threshold=threshold
        )

    parts = with_segment(backtest, model.gates.segments.by)
    return Measured(
        train=metrics.measure_all(
            rows.labels[made.learnt],
            foretell(made.pipeline, rows.values[made.learnt]),
            model.label.metrics,
            threshold=made.threshold,
        ),
        holdout=figures(last, "answer"),
        baselines={name: found for name in naive_rules(last) if (found := figures(last, name))},
        segments={
            str(name): figures(part, "answer") for (name,), part in parts.group_by("segment", maintain_order=True)
        },
    )


def _datetime(time_: Any) -> datetime:
    value: datetime = time_.astype("datetime64[us]").item()
    return value.replace(tzinfo=UTC)
