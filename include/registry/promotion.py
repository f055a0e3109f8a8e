"""The one place where aliases move. Every move leaves an audit row in the journal."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.errors import RegistryError
from include.journal.journal import Journal
from include.journal.records import AliasMove, Decision, DecisionKind, RunRef
from include.registry.faults import exists_already, mlflow_faults
from include.registry.records import CHALLENGER, CHAMPION, PASSED, PREVIOUS, Logged, ModelVersion, Tag

if TYPE_CHECKING:
    from include.registry.store import Registry


def register(registry: "Registry", model: str, mlflow_run_id: str) -> ModelVersion:
    """Make the candidate of an MLflow run the challenger. Twice from one run gives one version.

    Raises:
        RegistryError: the run has not passed the gates, or is of another model.
        TransientError: MLflow is away.
    """
    from mlflow.exceptions import MlflowException

    logged, client = registry.logged(mlflow_run_id), registry.client
    if logged.model != model:
        raise RegistryError(f"{model}: MLflow run {mlflow_run_id} is of model {logged.model}; name one of {model}")
    if logged.tags.get(Tag.GATES) != PASSED:
        raise RegistryError(
            f"{model}: MLflow run {mlflow_run_id} has not passed the gates; got {logged.tags.get(Tag.GATES)!r}, "
            f"expected {PASSED!r}. Its reasons: {logged.tags.get(Tag.GATE_REASONS, 'it was not judged')}"
        )
    with mlflow_faults(f"{model}: register MLflow run {mlflow_run_id}"):
        try:
            client.create_registered_model(model)
        except MlflowException as error:
            if not exists_already(error):
                raise
        known = [one for one in registry.versions(model) if one.mlflow_run_id == mlflow_run_id]
        tags = {name: value for name, value in logged.tags.items() if name.startswith("almanac.")}
        number = (
            known[0].version
            if known
            else str(
                client.create_model_version(
                    model, f"runs:/{mlflow_run_id}/model", mlflow_run_id, tags=tags, description=_describe(logged)
                ).version
            )
        )
        if number not in registry.aliases(model).values():  # tried again after it went on to be champion
            client.set_registered_model_alias(model, CHALLENGER, number)
    return registry.version(model, number)


def _describe(logged: Logged) -> str:
    """What a person sees first of a version in MLflow's pages, as Markdown."""
    figures = "\n".join(f"| {name} | {value:.4f} |" for name, value in sorted(logged.holdout_metrics.items()))
    return (
        f"**{logged.tags.get(Tag.CANDIDATE)}**, trained on dataset version {logged.dataset_version} "
        f"({logged.tags.get(Tag.DATASET_ROWS)} labelled rows). Why: {logged.tags.get(Tag.REASON)}\n\n"
        f"| on the hold-out | |\n|---|---|\n{figures}\n\nDecision and reasons: `decision.json` of the source run; "
        "data, code, environment: `passport.json`."
    )


def promote(
    registry: "Registry", model: str, version: str, *, reason: str, run: RunRef, journal: Journal, now: datetime
) -> ModelVersion:
    """Make the version champion and the old champion previous; the challenger's alias ends.

    Safe to try again however it died: what is already done is not done twice, and the audit rows are completed.

    Args:
        registry: where.
        model: its name.
        version: the version's number.
        reason: why, in words.
        run: who; `started_by` counts as the approver.
        journal: takes the audit rows and the decision.
        now: aware.

    Raises:
        RegistryError: there is no such version, or it has not passed the gates.
        TransientError: MLflow or the journal is away.
    """
    chosen = registry.version(model, version)
    if chosen.tags.get(Tag.GATES) != PASSED:
        raise RegistryError(f"{model}@{version}: has not passed the gates, so it cannot be promoted; train again")
    before = registry.aliases(model)
    old = before.get(CHAMPION, "")
    with mlflow_faults(f"{model}@{version}: promote"):
        client = registry.client
        if old != version:
            # first, so that a crash between the two leaves the old champion in production and still findable
            if old:
                client.set_registered_model_alias(model, PREVIOUS, old)
            for name, value in _promotion_tags(reason, run, now).items():
                client.set_model_version_tag(model, version, name, value)
            client.set_registered_model_alias(model, CHAMPION, version)
        if before.get(CHALLENGER) == version:
            client.delete_registered_model_alias(model, CHALLENGER)
    _record(journal, chosen, before, registry.aliases(model), reason, run, now)
    return registry.version(model, version)


def _promotion_tags(reason: str, run: RunRef, now: datetime) -> dict[str, str]:
    return {
        Tag.PROMOTED_AT.value: now.isoformat(),
        Tag.PROMOTED_BY.value: run.started_by or run.dag_id,
        Tag.PROMOTION_REASON.value: reason,
    }


def _record(
    journal: Journal,
    version: ModelVersion,
    before: dict[str, str],
    after: dict[str, str],
    reason: str,
    run: RunRef,
    now: datetime,
) -> None:
    """Write the audit rows, unless an earlier try has. The champion's row goes last and proves the others."""
    model, number = version.model, version.version
    last = next((move for move in journal.alias_moves(model) if move.alias == CHAMPION), None)
    if last is not None and last.to_version == number:
        return
    came_from = last.to_version if last else before.get(CHAMPION, "").replace(number, "")
    if PREVIOUS in after:
        left = "" if before.get(PREVIOUS) == after[PREVIOUS] else before.get(PREVIOUS, "")
        journal.record_alias_move(AliasMove(model, PREVIOUS, left, after[PREVIOUS], reason, now, run))
    journal.record_alias_move(AliasMove(model, CHALLENGER, number, "", reason, now, run))
    journal.record_decision(Decision(model, DecisionKind.PROMOTION, True, (reason,), now, run, f"{model}@{number}"))
    journal.record_alias_move(AliasMove(model, CHAMPION, came_from, number, reason, now, run))
