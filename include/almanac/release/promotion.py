"""Moves aliases of versions: register, promote, shadow, roll back. Each move is recorded in the journal.

No other module moves an alias.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.promotion import promotion_problems
from almanac.errors import ConfigError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, Decision, DecisionKind, RunRef
from almanac.registry.errors import exists_already, mlflow_errors
from almanac.registry.records import CHALLENGER, CHAMPION, PASSED, PREVIOUS, SHADOW, Logged, ModelVersion, Tag
from almanac.release.withdrawn import rolled_back_at
from almanac.reporting.markdown import inline, table

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_ALIASES = (CHALLENGER, SHADOW, PREVIOUS, CHAMPION)  # in the order of their audit rows, the champion last


@dataclass(frozen=True)
class RolledBack:
    """The version that left production, and the one that replaced it."""

    from_version: str
    to_version: str


def register(
    registry: "Registry", model: str, mlflow_run_id: str, *, run: RunRef, journal: Journal, now: datetime
) -> ModelVersion:
    """Register the candidate of an MLflow run as challenger. Two calls for one run register one version.

    Raises:
        RegistryError: the run has not passed the gates, or belongs to another model.
        TransientError: MLflow or the journal is not available.
    """
    from mlflow.exceptions import MlflowException

    logged, client = registry.logged(mlflow_run_id), registry.client
    if logged.model != model:
        raise RegistryError(
            f"{model}: MLflow run {mlflow_run_id} belongs to model {logged.model}; give a run of {model}"
        )
    _check_gates(logged, f"{model}: MLflow run {mlflow_run_id}")
    with mlflow_errors(f"{model}: register MLflow run {mlflow_run_id}"):
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
        if number not in registry.aliases(model).values():  # a retry after its promotion
            client.set_registered_model_alias(model, CHALLENGER, number)
    _audit(registry, model, "passed all gates", run, journal, now)
    return registry.version(model, number)


def promote(
    registry: "Registry", model: Model, version: str, *, reason: str, run: RunRef, journal: Journal, now: datetime
) -> ModelVersion:
    """Make the version champion and the old champion previous, and remove the challenger's alias.

    Idempotent: a retry after a crash at any point completes the move and its audit rows.

    Args:
        registry: where.
        model: must declare monitoring and backup.
        version: the version's number.
        reason: why.
        run: who asks; the audit rows name its `started_by`.
        journal: takes audit rows and decision.
        now: aware.

    Raises:
        ConfigError: monitoring or backup is not declared.
        RegistryError: there is no such version, it has not passed the gates, or its files are missing.
        IntegrityError: its graph is not what was recorded.
        TransientError: MLflow or the journal is not available.
    """
    name, where = model.name, f"{model.name}@{version}"
    chosen = check_promotable(registry, model, version)
    before = registry.aliases(name)
    old = before.get(CHAMPION, "")
    if old != version:
        registry.load_onnx(chosen)  # a version that cannot be loaded must not become champion
    with mlflow_errors(f"{where}: promote"):
        client = registry.client
        if old != version:
            # first, so that a crash between the two leaves the old champion in production, and named
            if old:
                client.set_registered_model_alias(name, PREVIOUS, old)
            _tag(registry, chosen, _promotion_tags(reason, run, now))
            _unmark(registry, chosen)
            client.set_registered_model_alias(name, CHAMPION, version)
        for alias in (CHALLENGER, SHADOW):
            if before.get(alias) == version:
                client.delete_registered_model_alias(name, alias)
    if _audited(journal, name).get(CHAMPION) != version:
        journal.record_decision(Decision(name, DecisionKind.PROMOTION, True, (reason,), now, run, where))
    _audit(registry, name, reason, run, journal, now)
    return registry.version(name, version)


def check_promotable(registry: "Registry", model: Model, version: str) -> ModelVersion:
    """The version, when it may become champion.

    Raises:
        ConfigError: monitoring or backup is not declared.
        RegistryError: there is no such version, or it has not passed the gates.
        TransientError: MLflow is not available.
    """
    where, chosen = f"{model.name}@{version}", registry.version(model.name, version)
    _check_gates(chosen, where)
    if problems := promotion_problems(model):
        raise ConfigError(f"{where}: cannot be promoted: {'; '.join(problems)}. Declare it in the model's YAML first")
    return chosen


def set_shadow(
    registry: "Registry", model: str, version: str | None, *, reason: str, run: RunRef, journal: Journal, now: datetime
) -> None:
    """Let a version score in shadow instead of the present one; None: end shadow scoring.

    Raises:
        RegistryError: it has not passed the gates.
        TransientError: MLflow or the journal is not available.
    """
    with mlflow_errors(f"{model}: shadow"):
        if version is not None:
            _check_gates(registry.version(model, version), f"{model}@{version}")
            registry.client.set_registered_model_alias(model, SHADOW, version)
        elif SHADOW in registry.aliases(model):
            registry.client.delete_registered_model_alias(model, SHADOW)
    _audit(registry, model, reason, run, journal, now)


def roll_back(
    registry: "Registry", model: str, *, to: str = PREVIOUS, reason: str, run: RunRef, journal: Journal, now: datetime
) -> RolledBack:
    """Put an earlier version back into production. The version that leaves is tagged, and never becomes `previous`.

    `previous` becomes the champion before the restored one, so that a second rollback goes further back. The intent is
    recorded first: a retry of the same run completes it and never rolls back twice.

    Args:
        registry: where.
        model: its name.
        to: the version's number, or `previous`.
        reason: why.
        run: who asks; the audit rows name its `started_by`.
        journal: takes the intent, as a decision, and audit rows.
        now: aware.

    Raises:
        RegistryError: there is no such version, it is champion already, or has not passed the gates.
        IntegrityError: its bytes are not what was recorded; no alias moved.
        TransientError: MLflow or the journal is not available.
    """
    plan = _intended(journal, model, run)
    if plan is not None and _moved_champion(journal, model, run):
        return plan
    if plan is None:
        plan = _plan(registry, journal, model, to)
        words = f"from version {plan.from_version} to version {plan.to_version}: {reason}"
        figures = {"from": float(plan.from_version), "to": float(plan.to_version)}
        subject = f"{model}@{plan.to_version}"
        journal.record_decision(Decision(model, DecisionKind.ROLLBACK, True, (words,), now, run, subject, figures))
    left = registry.version(model, plan.from_version)
    with mlflow_errors(f"{model}: roll back to version {plan.to_version}"):
        client = registry.client
        client.set_registered_model_alias(model, CHAMPION, plan.to_version)  # first: production waits for it
        _unmark(registry, registry.version(model, plan.to_version))
        _tag(registry, left, _rollback_tags(reason, run, now))
        earlier = _earlier_champion(registry, journal, model, plan)
        if earlier:
            client.set_registered_model_alias(model, PREVIOUS, earlier)
        elif PREVIOUS in registry.aliases(model):
            client.delete_registered_model_alias(model, PREVIOUS)
    _audit(registry, model, reason, run, journal, now)
    return plan


def rollback_target(registry: "Registry", model: str, to: str = PREVIOUS) -> ModelVersion:
    """The version that a rollback puts back.

    Raises:
        RegistryError: there is none.
    """
    number = registry.aliases(model).get(PREVIOUS, "") if to == PREVIOUS else to
    if not number:
        fit = [one.version for one in registry.versions(model) if one.tags.get(Tag.GATES) == PASSED]
        raise RegistryError(
            f"{model}: there is no previous version to roll back to; versions that have passed the gates: {fit}."
            " Name one with --to"
        )
    return registry.version(model, number)


def _plan(registry: "Registry", journal: Journal, model: str, to: str) -> RolledBack:
    from almanac.registry.onnx_model import OnnxModel

    target = rollback_target(registry, model, to)
    where = f"{model}@{target.version}"
    _check_was_champion(journal, target, where, to)
    current = registry.aliases(model).get(CHAMPION, "")
    if current == target.version:  # another rollback died before its audit row: finish it
        current = _audited(journal, model).get(CHAMPION, "")
    if not current or current == target.version:
        raise RegistryError(f"{where}: is already champion. Name another version with --to")
    _check_gates(target, where)
    OnnxModel(registry.load_onnx(target))  # a version that cannot be loaded must not take over
    return RolledBack(current, target.version)


def _check_was_champion(journal: Journal, target: ModelVersion, where: str, to: str) -> None:
    """Refuse a version that was never in production: a rollback must not bypass its approval."""
    came = journal.alias_moves(target.model, 1, alias=CHAMPION, came=target.version)
    if to != PREVIOUS and not came:
        raise RegistryError(
            f"{where}: was never in production, according to the journal, so it is no target of a rollback. Promote it:"
            f" ./almanac promote {where} --reason ..., or start promote_{target.model}"
        )


def _intended(journal: Journal, model: str, run: RunRef) -> RolledBack | None:
    """The rollback that an earlier try of this run has recorded; None: there is none."""
    for decision in journal.decisions(model, DecisionKind.ROLLBACK, run=run, limit=1):
        return RolledBack(f"{decision.figures['from']:.0f}", f"{decision.figures['to']:.0f}")
    return None


def _moved_champion(journal: Journal, model: str, run: RunRef) -> bool:
    return bool(journal.alias_moves(model, 1, alias=CHAMPION, run=run))


def _earlier_champion(registry: "Registry", journal: Journal, model: str, plan: RolledBack) -> str:
    """The newest other champion that was never rolled back and still exists; empty: there is none."""
    there = {one.version: one for one in registry.versions(model)}
    for number in dict.fromkeys(move.to_version for move in journal.alias_moves(model, alias=CHAMPION)):
        fits = number in there and not rolled_back_at(journal, there[number])
        if fits and number not in (plan.from_version, plan.to_version):
            return number
    return ""


def _check_gates(version: Logged, where: str) -> None:
    got = version.tags.get(Tag.GATES)
    if got != PASSED:
        raise RegistryError(
            f"{where}: has not passed the gates; got {got!r}, expected {PASSED!r}. Reasons: "
            f"{version.tags.get(Tag.GATE_REASONS, 'it was not judged')}. Train again"
        )


def _tag(registry: "Registry", version: ModelVersion, tags: dict[Tag, str]) -> None:
    for name, value in tags.items():
        registry.client.set_model_version_tag(version.model, version.version, name.value, value)


def _unmark(registry: "Registry", version: ModelVersion) -> None:
    """Remove the marks of a rollback and of a rollout that fell back: it may be proposed and be previous again."""
    for mark in (Tag.ROLLED_BACK_AT, Tag.ROLLOUT_ABORTED_AT):
        if mark in version.tags:
            registry.client.delete_model_version_tag(version.model, version.version, mark.value)


def _promotion_tags(reason: str, run: RunRef, now: datetime) -> dict[Tag, str]:
    return {
        Tag.PROMOTED_AT: now.isoformat(),
        Tag.PROMOTED_BY: run.started_by or run.dag_id,
        Tag.PROMOTION_REASON: reason,
    }


def _rollback_tags(reason: str, run: RunRef, now: datetime) -> dict[Tag, str]:
    return {
        Tag.ROLLED_BACK_AT: now.isoformat(),
        Tag.ROLLED_BACK_BY: run.started_by or run.dag_id,
        Tag.ROLLBACK_REASON: reason,
    }


def _audited(journal: Journal, model: str) -> dict[str, str]:
    """Alias -> version, by the newest audit rows."""
    return {alias: move.to_version for alias in _ALIASES for move in journal.alias_moves(model, 1, alias=alias)}


def _audit(registry: "Registry", model: str, reason: str, run: RunRef, journal: Journal, now: datetime) -> None:
    """Record each alias that differs from its newest audit row, also after a crash before that row."""
    known, now_at = _audited(journal, model), registry.aliases(model)
    for alias in _ALIASES:
        left, came = known.get(alias, ""), now_at.get(alias, "")
        if left != came:
            journal.record_alias_move(AliasMove(model, alias, left, came, reason, now, run))


def _describe(logged: Logged) -> str:
    """The description of a version on MLflow's pages, as Markdown."""
    figures = table(["on the hold-out", ""], [[name, f"{x:.4f}"] for name, x in sorted(logged.holdout_metrics.items())])
    return (
        f"**{logged.tags.get(Tag.CANDIDATE)}**, trained on dataset version {logged.dataset_version} "
        f"({logged.tags.get(Tag.DATASET_ROWS)} labelled rows). Reason: {inline(str(logged.tags.get(Tag.REASON)))}\n\n"
        f"{figures}\n\nDecision and reasons: `decision.json` of the source run; "
        "data, code, environment: `passport.json`."
    )
