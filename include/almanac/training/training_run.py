"""The steps of one training run: decide whether to train, train, log the candidate.

Each step can be retried: it finds what an earlier try of the same run has written.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import yaml
from pydantic import ValidationError

from almanac.config.files.loader import load_installation
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.learning import Checkpoints
from almanac.config.sections.search import Scalar
from almanac.config.sections.training import Mode
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import ModelRows
from almanac.errors import PermanentError, RegistryError
from almanac.features.split_groups import shuffled
from almanac.journal.exclusive import exclusive
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, RunRef
from almanac.programs.contract import KEPT, NATIVE, PreviousVersion
from almanac.programs.workbench import Workbench, open_bench, slug_of
from almanac.registry import files
from almanac.registry.pipeline_file import load_pipeline
from almanac.registry.records import Logged, ModelVersion, TrainingContext
from almanac.registry.store import Registry
from almanac.statistics.profiling import build_profile
from almanac.training.backtest.backtest import row_keys
from almanac.training.backtest.folds import split
from almanac.training.candidate_log import find_logged, log_candidate
from almanac.training.fit.checkpoints import CheckpointFolder
from almanac.training.fit.continuation import Parent, continuation_problems
from almanac.training.fit.selection import CandidateSelection
from almanac.training.fit.trial import Trial
from almanac.training.passport import load_passport
from almanac.training.policy import Trigger, count_labelled, counting_columns, decide_training, label_times
from almanac.training.train import Progress, continue_candidate, train_candidate
from almanac.training.trained import TrainedCandidate

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class TrainingDecision:
    """Whether to train, and how."""

    decision: Decision
    mode: Literal["scratch", "incremental"]


@dataclass(frozen=True)
class Searched:
    """Trials of other tasks, and the rows that they used: the training uses the same."""

    dataset_version: int
    joined: Mapping[str, int]
    now: datetime
    trials: tuple[Trial, ...]


def decide_mode(
    model: Model,
    home: Home,
    journal: Journal,
    registry: Registry,
    *,
    trigger: Trigger,
    reason: str,
    run: RunRef,
    now: datetime,
    mode: Mode | None = None,
    by_hand: bool = False,
) -> TrainingDecision:
    """Decide by the model's policy whether this run may train, and how; see `decide_training`.

    Args:
        model: declares the policy and the mode.
        home: where the dataset is.
        journal: takes the decision.
        registry: holds the champion.
        trigger: what started the run.
        reason: why, in words.
        run: who asks.
        now: aware.
        mode: replaces the declared one.
        by_hand: a person chose candidates or parameters; a fitted estimator cannot take them.

    Raises:
        DataError: there is no dataset yet.
        TransientError: a store is not available.
    """
    frame = DatasetTable.of(home, model).read(columns=counting_columns(model))
    champion = registry.champion(model.name)
    wanted: Mode = mode or model.train.mode
    problems = _continuation_problems(model, registry, champion, frame, now, by_hand) if wanted != "scratch" else []
    decision = decide_training(
        model,
        trigger=trigger,
        reason=reason,
        labelled=count_labelled(model, frame, now=now),
        champion=champion.version if champion else None,
        journal=journal,
        now=now,
        run=run,
        impossible=[f"mode incremental: {problem}" for problem in problems] if wanted == "incremental" else [],
        remarks=[f"from scratch: {problem}" for problem in problems] if wanted == "auto" else [],
        prices=load_installation(home.models).prices if model.budget else None,
    )
    return TrainingDecision(decision, "scratch" if problems or wanted == "scratch" else "incremental")


def train(
    model: Model,
    home: Home,
    registry: Registry,
    *,
    reason: str,
    run: RunRef,
    now: datetime,
    candidates: Sequence[str] | None,
    overrides: Mapping[str, Scalar] | None,
    on_progress: Progress,
    mode: Mode = "scratch",
    searched: Searched | None = None,
    back_up: Callable[[], None] = lambda: None,
) -> str:
    """Train on the newest dataset version, and log the candidate with its reference profile as one MLflow run.

    Where the candidate declares checkpoints, a retry resumes from those of the killed try; `back_up` is called after
    each checkpoint and takes a snapshot.

    Returns:
        The id of the MLflow run.

    Raises:
        ConfigError: a candidate or a parameter is unknown.
        DataError: there is no dataset, or too few labelled rows.
        TransientError: a store is not available, or another training of the model is running.
    """
    logged = find_logged(registry, model.name, run)
    if logged is not None:
        return logged
    # Airflow's `max_active_runs` counts neither backfills nor cleared runs
    with exclusive(home.journal_url, f"train_{model.name}"):
        rows = (
            ModelRows(model, home, searched.dataset_version, searched.joined)
            if searched
            else ModelRows.newest(home, model)
        )
        frame = rows.read()
        with open_bench(model, home, on_progress, run_id=run.run_id, saved=back_up) as bench:
            candidate = (
                _continued(model, registry, frame, now=now, on_progress=on_progress, bench=bench)
                if mode == "incremental"
                else train_candidate(
                    model,
                    frame,
                    now=searched.now if searched else now,
                    candidates=candidates,
                    overrides=overrides,
                    searched=searched.trials if searched else (),
                    on_progress=on_progress,
                    checkpoints=partial(_checkpoints, home, model, run, back_up),
                    bench=bench,
                )
            )
            context = TrainingContext(run=run, dataset_version=rows.version, joined=rows.joined, reason=reason)
            profile = reference_profile(model, frame, candidate)
            return log_candidate(registry, candidate, profile_json=profile, context=context)


def _checkpoints(
    home: Home, model: Model, run: RunRef, back_up: Callable[[], None], declared: Checkpoints
) -> CheckpointFolder:
    """The checkpoint folder of a run, for all its tries."""
    folder = Path(home.checkpoints_of(model.name)) / slug_of(run.run_id)
    return CheckpointFolder(folder, declared.every, declared.keep, back_up if declared.backup else lambda: None)


def _continued(
    model: Model,
    registry: Registry,
    frame: "pl.DataFrame",
    *,
    now: datetime,
    on_progress: Progress,
    bench: Workbench | None,
) -> TrainedCandidate:
    champion = registry.champion(model.name)
    if champion is None:
        raise RegistryError(f"{model.name}: there is no champion to continue any more. Train from scratch")
    parent = load_parent(registry, champion, model)
    return continue_candidate(model, frame, now=now, parent=parent, on_progress=on_progress, bench=bench)


def load_parent(registry: Registry, version: Logged, model: Model) -> Parent:
    """Read a version's own verified files, in order to continue it; `model` says which types they may hold.

    Raises:
        IntegrityError: a file is not what was recorded, or its passport cannot be read.
        RegistryError: a file is missing.
        TransientError: MLflow is not available.
    """
    passport = load_passport(registry, version)
    try:
        declared = Model.model_validate(yaml.safe_load(registry.load_file(version, files.CONFIG)))
    except ValidationError:
        declared = None
    number = version.version if isinstance(version, ModelVersion) else version.mlflow_run_id
    pipeline = load_pipeline(registry.load_file(version, files.PIPELINE), model.train.trusted_types)
    previous = None
    if passport.program is not None and passport.program.program:
        previous = PreviousVersion(
            version=number,
            manifest_sha256=version.manifest_sha256,
            trained_until=passport.data.train_end,
            graph=pipeline[-1].graph,
            fetch=partial(registry.fetch_files, version, f"{KEPT}/{NATIVE}"),
        )
    return Parent(
        version=number,
        declared=declared,
        selection=CandidateSelection(passport.candidate, passport.params, version.threshold),
        train_start=passport.data.train_start,
        train_end=passport.data.train_end,
        pipeline=pipeline,
        previous=previous,
    )


def _continuation_problems(
    model: Model,
    registry: Registry,
    champion: ModelVersion | None,
    frame: "pl.DataFrame",
    now: datetime,
    by_hand: bool,
) -> list[str]:
    """The reasons why the champion cannot be continued; empty: it can be."""
    if champion is None:
        return ["there is no champion to continue"]
    if by_hand:
        return ["candidates or parameters were chosen by hand, and a fitted estimator cannot take them"]
    times, groups = label_times(model, frame, now=now)
    try:
        return continuation_problems(
            model, load_parent(registry, champion, model), split(model, times, groups)[-1], times
        )
    except PermanentError as error:
        return [str(error)]


def reference_profile(model: Model, frame: "pl.DataFrame", candidate: TrainedCandidate) -> str:
    """The reference profile of the rows that the candidate was trained and measured on."""
    import polars as pl

    time = model.dataset.time
    rows = frame.filter(pl.col(time).is_between(candidate.data.train_start, candidate.data.labelled_until))
    rows = shuffled(model, rows)
    keys = row_keys(candidate.rows, model)
    named = [pl.col(name).cast(rows.schema[column]).alias(column) for name, column in keys.items()]
    predicted = candidate.rows.select(*named, "answer", pl.col("label").cast(pl.Float64))
    known = rows.select(keys.values()).join(predicted, on=list(keys.values()), how="left", maintain_order="left")
    return build_profile(
        model,
        rows,
        probabilities=known["answer"].to_numpy(),  # null as NaN
        labels=known["label"].fill_null(float("nan")).to_numpy(),
        threshold=candidate.selection.threshold,
    ).to_json()
