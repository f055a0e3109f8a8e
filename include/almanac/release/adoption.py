"""Adopts a pipeline of any MLflow run as a candidate of a declared model, unless its graph predicts otherwise."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.data.table.model_rows import ModelRows
from almanac.errors import ConfigError, DataError
from almanac.journal.records import RunRef
from almanac.registry.foreign_pipeline import load_foreign_pipeline
from almanac.registry.records import Tag, TrainingContext
from almanac.registry.store import Registry
from almanac.release.gates.evaluation import Evaluation
from almanac.release.gates.parity import parity
from almanac.statistics.metrics import THRESHOLD
from almanac.training.candidate_log import find_logged, log_candidate
from almanac.training.foreign import ForeignPipeline, measure_foreign
from almanac.training.trained import TrainedCandidate
from almanac.training.training_run import reference_profile


@dataclass(frozen=True)
class ForeignRun:
    """Which pipeline, and what its author says of it.

    Attributes:
        mlflow_run_id: of the run that holds it.
        trained_until: aware; the last event time among the rows that it was fitted on.
        artifact: the name under which it was logged.
        candidate: what it is called from now on.
        threshold: the probability from which on the label is 1.
    """

    mlflow_run_id: str
    trained_until: datetime
    artifact: str = "model"
    candidate: str = "own"
    threshold: float = THRESHOLD

    @property
    def reason(self) -> str:
        """Where the candidate comes from, as it stands in its passport and its tags."""
        return f"exported from MLflow run {self.mlflow_run_id}, {self.artifact}"


def adopt_pipeline(
    model: Model,
    home: Home,
    registry: Registry,
    foreign: ForeignRun,
    *,
    run: RunRef,
    now: datetime,
    on_progress: Callable[[str], None],
) -> str:
    """Export the pipeline, measure it on the model's newest dataset version, and log it as a candidate.

    Returns:
        The id of the candidate's MLflow run. A retry of the same run gives what an earlier try has logged.

    Raises:
        ConfigError: the pipeline is not what the model's features and label ask for, its file is a pickle, or this run
            has logged another candidate of the model.
        DataError: its graph predicts otherwise, beyond the declared parity; or see `measure_foreign`.
        IntegrityError: its file holds types that are not trusted.
        RegistryError: there is no such run or model.
        TransientError: a store is not available.
    """
    if logged := _logged_before(model, registry, foreign, run):
        return logged
    pipeline = load_foreign_pipeline(registry, foreign.mlflow_run_id, foreign.artifact, model.train.trusted_types)
    rows = ModelRows.newest(home, model)
    frame = rows.read()
    candidate = measure_foreign(
        model,
        frame,
        ForeignPipeline(pipeline, foreign.trained_until, foreign.candidate, foreign.threshold),
        now=now,
        on_progress=on_progress,
    )
    require_parity(model, candidate)
    context = TrainingContext(run=run, dataset_version=rows.version, joined=rows.joined, reason=foreign.reason)
    return log_candidate(registry, candidate, profile_json=reference_profile(model, frame, candidate), context=context)


def require_parity(model: Model, candidate: TrainedCandidate) -> None:
    """Go on if graph and pipeline agree as declared in `gates.parity`.

    Raises:
        DataError: they do not; the message says on which rows, and by how much.
    """
    results = parity(model, Evaluation(candidate.rows, candidate.parity, threshold=candidate.selection.threshold))
    if failed := [result for result in results if not result.passed]:
        raise DataError(
            f"{model.name}: {candidate.selection.name}: its ONNX graph predicts otherwise than the pipeline; nothing is"
            f" logged: {'; '.join(f'{one.name}: {one.reason}' for one in failed)}. Scale the features within the"
            " pipeline, choose another estimator, or declare other limits in gates.parity"
        )


def _logged_before(model: Model, registry: Registry, foreign: ForeignRun, run: RunRef) -> str | None:
    logged = find_logged(registry, model.name, run)
    if logged is not None and (reason := registry.logged(logged).tags.get(Tag.REASON)) != foreign.reason:
        raise ConfigError(
            f"{model.name}: this run has logged another candidate already: {logged} ({reason}); expected one candidate"
            " of a model in a run. Export the other one in a run of its own"
        )
    return logged
