"""Trains one candidate: backtests the declared ones, keeps the best, exports it and checks the export."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.expression import columns_of
from almanac.config.grammar.label_kind import NUMBER
from almanac.config.schema import Model
from almanac.config.sections.label import check_rare
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError
from almanac.features.features import feature_columns, text_places
from almanac.features.labels import label_columns
from almanac.features.purity import check_purity
from almanac.features.split_groups import group_columns
from almanac.programs.workbench import Workbench
from almanac.statistics import metrics
from almanac.statistics.segments import with_segment
from almanac.statistics.tasks import task_of
from almanac.training.backtest.backtest import (
    LabelledRows,
    backtest_frame,
    baseline_columns,
    labelled_rows,
    other_columns,
    subset,
)
from almanac.training.backtest.baselines import BaselinePredictions
from almanac.training.backtest.baselines_of_kind import baselines_of_kind
from almanac.training.backtest.folds import Fold, split, split_words
from almanac.training.category_mapping import fitted_categories
from almanac.training.export.export import export_onnx
from almanac.training.export.parity import ParityReport, check_parity
from almanac.training.fit.candidates import choose_candidates
from almanac.training.fit.checkpoints import Checkpointing
from almanac.training.fit.continuation import Parent, continuation_problems, continue_champion, new_rows
from almanac.training.fit.fitting import fit_last, predict
from almanac.training.fit.learning import Curve
from almanac.training.fit.program_fit import ProgramFiles
from almanac.training.fit.selection import CandidateSelection, ModelSelection
from almanac.training.fit.trial import Trial
from almanac.training.leaks import measure_leaks
from almanac.training.trained import Measured, TrainedCandidate, TrainingData, constant_features, hash_rows

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from almanac.statistics.metrics import Labels

Progress = Callable[[str], None]


@dataclass
class StepWatch:
    """Times the steps of a training, and reports each with `on_progress`."""

    on_progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def done(self, step: str, message: str) -> None:
        """Report the end of a step; its time is that since the end of the step before."""
        now = time.perf_counter()
        self.seconds[step] = round(self.seconds.get(step, 0.0) + now - self._last, 3)
        self._last = now
        self.on_progress(message)


def _quiet(_message: str) -> None:
    """Report nothing."""


def training_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that training and judging read."""
    of_rules = (column for text in model.gates.baselines.rules.values() for column in columns_of(text))
    used = (*feature_columns(model), *label_columns(model), *other_columns(model).values(), *of_rules)
    used = (*used, *group_columns(model))
    return tuple(dict.fromkeys(used))


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
    bench: Workbench | None = None,
) -> TrainedCandidate:
    """Train the declared candidates by rolling origin, and prepare the best one for its gates.

    Same rows, declaration and seed give the same figures to the last digit.

    Args:
        model: declares features, label, backtest and candidates.
        frame: rows of one dataset version, at least `training_columns`.
        now: labels that become true after it are not known yet.
        candidates: names of the candidates to choose from; None: all.
        overrides: parameters of their estimators, in place of the YAML's and of what a search finds.
        searched: trials of their searches from other tasks, on the same rows.
        on_progress: called with a line about each step.
        checkpoints: gives the folder for checkpoints of the last fit; None: there are none.
        bench: where programs work; None: there is none. Their files stay there.

    Raises:
        ConfigError: a candidate or a parameter is unknown, or no candidate can be fitted.
        DataError: too few labelled rows, or rows of one class only.
    """
    watch = StepWatch(on_progress)
    names = choose_candidates(model, candidates)
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features, {len(folds)} folds")
    choice = ModelSelection(model, rows, folds[:-1], overrides, lambda message: watch.done("fit", message), bench)
    selection, holdout = choice.select(names, searched), folds[-1]
    while True:
        try:
            pipeline, curve, files = fit_last(
                model, selection.name, selection.params, rows, holdout.train, checkpoints, bench
            )
            break
        except ConfigError as error:  # more rows than in any fold can break what went well until then
            if selection.name not in model.train.programs:
                raise
            on_progress(f"{selection.name} does not compete: {error}")
            failed = {**selection.failed, selection.name: str(error)}
            selection = choice.select(names, selection.trials, failed)
    watch.done("fit", f"{selection.name} is the best on the folds before the hold-out; fitted for the hold-out")
    builder = CandidateBuilder(model, rows, folds, watch)
    return builder.build(selection, pipeline, holdout.train, curve=curve, program=files)


def continue_candidate(
    model: Model,
    frame: "pl.DataFrame",
    *,
    now: datetime,
    parent: Parent,
    on_progress: Progress = _quiet,
    bench: Workbench | None = None,
) -> TrainedCandidate:
    """Continue the champion on rows that are new to it, and prepare the result for its gates.

    It was trained on the earlier folds of the backtest, so it is measured on the hold-out alone.

    Args:
        model: declares features, label and backtest.
        frame: rows of one dataset version, at least `training_columns`.
        now: labels that become true after it are not known yet.
        parent: the champion.
        on_progress: called with a line about each step.
        bench: where programs work; None: there is none.

    Raises:
        ConfigError: the champion cannot be continued; see `continuation_problems`. Or its program fails.
        DataError: too few labelled rows.
    """
    watch = StepWatch(on_progress)
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features")
    holdout = folds[-1]
    problems = continuation_problems(model, parent, holdout, rows.times)
    if problems:
        raise ConfigError(f"{model.name}: the champion cannot be continued: {'; '.join(problems)}. Train from scratch")
    chosen = new_rows(parent, holdout, rows.times)
    curve, files = None, None
    if parent.previous is None:
        pipeline = continue_champion(parent, rows, chosen)
    else:
        of = parent.selection
        pipeline, curve, files = fit_last(
            model, of.name, of.params, rows, chosen, bench=bench, previous=parent.previous
        )
    watch.done("fit", f"version {parent.version} is continued on {len(chosen)} more rows")
    # the earlier folds say nothing about it, nor do the scores of its own selection
    selection = replace(parent.selection, predictions=(), scores={}, trials=())
    builder = CandidateBuilder(model, rows, folds, watch)
    return builder.build(selection, pipeline, chosen, curve=curve, parent=parent, program=files)


def prepare(model: Model, frame: "pl.DataFrame", *, now: datetime) -> tuple[LabelledRows, tuple[Fold, ...]]:
    """The labelled rows and the folds of the backtest; the last one is the hold-out.

    Raises:
        ConfigError: one label is rare (or one class takes nearly all), and candidates would be chosen by accuracy; or
            the team's own features are not pure.
        DataError: the frame is not what the model declares, or has too few labelled rows.
    """
    check_purity(model, frame, seed=model.train.seed)
    rows = labelled_rows(model, frame, now=now)
    if len(rows) and model.label.kind is not NUMBER:
        try:
            check_rare(model, _shares(model, rows))
        except ValueError as error:
            raise ConfigError(f"{model.name}: {error}") from error
    return rows, split(model, rows.times, rows.groups)


def _shares(model: Model, rows: LabelledRows) -> dict[str, float]:
    """The share of each label, by its name."""
    import numpy as np

    names = model.label.classes or ("0", "1")
    counts = np.bincount(rows.labels, minlength=len(names))
    return dict(zip(names, (counts / len(rows)).tolist(), strict=True))


@dataclass(frozen=True, eq=False)
class CandidateBuilder:
    """Measures a fitted pipeline, exports it, checks the export, and makes the record of all that.

    Args:
        model: declares metrics, baselines and segments.
        rows: all labelled rows.
        folds: of the backtest; the last one is the hold-out.
        watch: times the steps.
    """

    model: Model
    rows: LabelledRows
    folds: tuple[Fold, ...]
    watch: StepWatch

    def build(
        self,
        selection: CandidateSelection,
        pipeline: "Pipeline",
        trained_on: "NDArray[np.intp]",
        *,
        curve: Curve | None = None,
        parent: Parent | None = None,
        program: ProgramFiles | None = None,
        graph: bytes | None = None,
    ) -> TrainedCandidate:
        """The candidate.

        Args:
            selection: says which one it is; its threshold is kept.
            pipeline: fitted.
            trained_on: the numbers of the rows that it was fitted on in this training.
            curve: its loss by epoch.
            parent: the champion that it continues.
            program: what the program that trained it left.
            graph: its ONNX graph, where it has one already; None: the pipeline is exported.
        """
        model, rows, holdout = self.model, self.rows, self.folds[-1]
        predictions = [
            *selection.predictions,
            predict(pipeline, rows.values[holdout.test], classes=model.label.class_count),
        ]
        folds = self.folds[-len(predictions) :]
        baselines = self._baselines(folds)
        backtest = backtest_frame(
            rows, folds, [{"answer": own, **of.predictions} for own, of in zip(predictions, baselines, strict=True)]
        )
        measured = self._measure(pipeline, trained_on, backtest, selection.threshold)
        self.watch.done("measure", f"{model.train.metric} on the hold-out: {measured.holdout.get(model.train.metric)}")
        leaks = measure_leaks(model, rows, holdout)
        self.watch.done("leaks", leaks.words)
        onnx, parity = self._export(pipeline, selection.threshold, graph)
        return TrainedCandidate(
            model=model,
            selection=selection,
            data=self._data(trained_on, parent),
            pipeline=pipeline,
            onnx=onnx,
            features=rows.names,
            parity=parity,
            rows=backtest,
            stump=baselines[-1].stump,
            metrics=measured,
            leaks=leaks,
            seconds=self.watch.seconds,
            example=rows.values[holdout.test][:5],
            curve=curve,
            constant=() if parent else constant_features(rows, trained_on, but=text_places(model)),
            categories=fitted_categories(pipeline, rows),
            parent=parent.version if parent else "",
            program=program,
        )

    def _data(self, trained_on: "NDArray[np.intp]", parent: Parent | None) -> TrainingData:
        times = self.rows.times
        return TrainingData(
            sha256=hash_rows(self.rows),
            labelled_rows=len(self.rows),
            labelled_until=_datetime(times[-1]),
            train_start=parent.train_start if parent else _datetime(times[trained_on][0]),
            train_end=_datetime(times[trained_on][-1]),
            train_rows=len(trained_on),
            holdout_rows=len(self.folds[-1].test),
            split=split_words(self.model),
        )

    def _baselines(self, folds: Sequence[Fold]) -> list[BaselinePredictions]:
        parts = [(subset(self.rows, fold.train), subset(self.rows, fold.test)) for fold in folds]
        return [baselines_of_kind(self.model, train, test) for train, test in parts]

    def _export(self, pipeline: "Pipeline", threshold: float, graph: bytes | None) -> tuple[bytes, ParityReport]:
        model, holdout = self.model, self.rows.values[self.folds[-1].test]
        onnx = graph or export_onnx(model, pipeline, self.rows.names, threshold=threshold)
        self.watch.done("export", f"{'the given graph' if graph else 'exported to ONNX'}, {len(onnx) / 1e6:.1f} MB")
        quantile, seed, alike = model.gates.parity.quantile, model.train.seed, text_places(model)
        family = model.train.declared_family(type(pipeline[-1]).__name__)
        by = {"quantile": quantile, "threshold": threshold}
        parity = check_parity(pipeline, onnx, holdout, **by, seed=seed, alike=alike, family=family)
        self.watch.done("parity", f"ONNX gives the same label on {parity.holdout.label_agreement:.2%} of the hold-out")
        return onnx, parity

    def _measure(
        self, pipeline: "Pipeline", trained_on: "NDArray[np.intp]", backtest: "pl.DataFrame", threshold: float
    ) -> Measured:
        model, rows = self.model, self.rows
        last = backtest.filter(backtest["fold"] == self.folds[-1].number)

        def figures(labels: "Labels", predictions: "NDArray[np.float64]", at: float) -> dict[str, float]:
            return task_of(model.label).figures(labels, predictions, threshold=at)

        def of(part: "pl.DataFrame", column: str, at: float) -> dict[str, float]:
            return figures(part["label"].to_numpy(), part[column].to_numpy(), at)

        parts = with_segment(backtest, model.gates.segments.by).group_by("segment", maintain_order=True)
        known = predict(pipeline, rows.values[trained_on], classes=model.label.class_count)
        return Measured(
            train=figures(rows.labels[trained_on], known, threshold),
            holdout=of(last, "answer", threshold),
            baselines={name: found for name in baseline_columns(last) if (found := of(last, name, metrics.THRESHOLD))},
            segments={str(name): of(part, "answer", threshold) for (name,), part in parts},
        )


def _datetime(time_: Any) -> datetime:
    value: datetime = time_.astype("datetime64[us]").item()
    return value.replace(tzinfo=UTC)
