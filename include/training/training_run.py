"""The steps of one training run, from the question whether to train to the verdict of the gates.

Each step can be tried again: it finds what an earlier try of the same run has already written.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from include.config.home import Home
from include.config.schema import Model
from include.data.dataset import Dataset
from include.features.labels import label_columns
from include.journal.journal import Journal
from include.journal.records import Decision, RunRef
from include.monitoring.profiling import build_profile
from include.registry.judgement import judge_run
from include.registry.publication import find_logged, log_candidate
from include.registry.records import TrainingContext
from include.registry.store import Registry
from include.training.candidates import Scalar
from include.training.policy import Trigger, count_labelled, decide_training
from include.training.train import Progress, TrainedCandidate, train_candidate, training_columns

if TYPE_CHECKING:
    import polars as pl


def ask(
    model: Model,
    home: Home,
    journal: Journal,
    registry: Registry,
    *,
    trigger: Trigger,
    reason: str,
    run: RunRef,
    now: datetime,
) -> Decision:
    """Decide by the model's policy whether this wake-up may train; see `decide_training`.

    Raises:
        DataError: there is no dataset yet.
        TransientError: a store is away.
    """
    frame = Dataset.of(home, model).read(columns=label_columns(model))
    champion = registry.champion(model.name)
    return decide_training(
        model,
        trigger=trigger,
        reason=reason,
        labelled=count_labelled(model, frame, now=now),
        champion=champion.version if champion else None,
        journal=journal,
        now=now,
        run=run,
    )


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
) -> str:
    """Train on the newest dataset version and write the candidate, with its profile, as one MLflow run.

    Returns:
        The id of the MLflow run.

    Raises:
        ConfigError: a candidate or a parameter is unknown.
        DataError: there is no dataset, or too few labelled rows.
        TransientError: a store is away.
    """
    logged = find_logged(registry, model.name, run)
    if logged is not None:
        return logged
    dataset = Dataset.of(home, model)
    version = dataset.version()
    frame = dataset.read(version=version)
    candidate = train_candidate(
        model, frame, now=now, candidates=candidates, overrides=overrides, on_progress=on_progress
    )
    context = TrainingContext(run=run, dataset_version=version, reason=reason)
    return log_candidate(registry, candidate, profile_json=_profile(model, frame, candidate), context=context)


def judge(
    model: Model, home: Home, journal: Journal, registry: Registry, mlflow_run_id: str, *, run: RunRef, now: datetime
) -> Decision:
    """Apply the gates to a logged candidate, on the dataset version that it was trained on; see `judge_run`."""
    version = registry.logged(mlflow_run_id).dataset_version
    frame = Dataset.of(home, model).read(version=version, columns=training_columns(model))
    return judge_run(model, registry, mlflow_run_id, frame, journal=journal, run=run, now=now)


def _profile(model: Model, frame: "pl.DataFrame", candidate: TrainedCandidate) -> str:
    """The reference profile of the rows that the candidate was trained and judged on."""
    import polars as pl

    time = model.dataset.time
    rows = frame.filter(pl.col(time).is_between(candidate.train_start, candidate.labelled_until))
    foretold = candidate.rows.select(pl.col("time").alias(time), "probability", pl.col("label").cast(pl.Float64))
    known = rows.select(time).join(foretold, on=time, how="left", maintain_order="left")
    return build_profile(
        model,
        rows,
        probabilities=known["probability"].fill_null(float("nan")).to_numpy(),
        labels=known["label"].fill_null(float("nan")).to_numpy(),
    ).to_json()
