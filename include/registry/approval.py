"""Whether a person is asked before a version goes into production, and what became of the question."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from include.config.promotion import obstacles
from include.config.schema import Model
from include.journal.journal import Journal
from include.journal.records import Decision, DecisionKind, RunRef
from include.registry.faults import mlflow_faults
from include.registry.records import APPROVED, REJECTED, ModelVersion, Tag

if TYPE_CHECKING:
    from include.registry.store import Registry

NOBODY = "nobody"


class Way(StrEnum):
    """What happens to a registered version next."""

    PROMOTE = "promote"
    ASK = "ask"
    STAY = "stay"


@dataclass(frozen=True)
class Route:
    """The way and why."""

    way: Way
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What a person said, or that nobody did.

    Attributes:
        approved: whether the version may go into production.
        by: the person's name; empty when nobody answered in time.
        reason: the person's words, or none.
        at: aware.
    """

    approved: bool
    by: str
    reason: str
    at: datetime

    @property
    def words(self) -> str:
        """The answer in one line."""
        if not self.by:
            return "nobody answered in time, and no answer is a no"
        said = f"{'approved' if self.approved else 'rejected'} by {self.by}"
        return f"{said}: {self.reason}" if self.reason else said


def route(
    model: Model, registry: "Registry", journal: Journal, version: str, *, ask: Sequence[str], run: RunRef, now: datetime
) -> Route:
    """Decide what happens to a version that has passed its gates. A refusal to promote is a recorded decision.

    Args:
        model: says how its versions are promoted.
        registry: holds the version.
        journal: takes the decision that the version stays challenger.
        version: its number.
        ask: why a person must be asked whatever the model's YAML says; empty: no such reason.
        run: which run asks.
        now: aware.

    Raises:
        TransientError: MLflow or the journal is away.
    """
    found = _route(model, registry, version, ask)
    subject = f"{model.name}@{version}"
    if found.way is Way.STAY and not _decided(journal, DecisionKind.PROMOTION, model.name, subject, run):
        journal.record_decision(
            Decision(model.name, DecisionKind.PROMOTION, False, found.reasons, now, run, subject)
        )  # fmt: skip
    return found


def _route(model: Model, registry: "Registry", version: str, ask: Sequence[str]) -> Route:
    champion = registry.champion(model.name)
    if champion is not None and champion.version == version:  # tried again after it was promoted
        return Route(Way.PROMOTE, ("it is champion already",))
    if model.promotion == "manual":
        return Route(Way.STAY, (f"promotion is manual: ./almanac promote {model.name}@{version} --reason ...",))
    if faults := obstacles(model):
        return Route(Way.STAY, tuple(f"cannot be promoted: {fault}" for fault in faults))
    parent = registry.version(model.name, version).tags.get(Tag.PARENT_VERSION, "")
    now_there = champion.version if champion else ""
    if parent != now_there:
        return Route(
            Way.STAY,
            (f"it was measured against champion {parent or 'none'}, but {now_there or 'none'} is champion now",),
        )
    if model.promotion == "approve":
        return Route(Way.ASK, ("promotion is by approval", *ask))
    return Route(Way.ASK, tuple(ask)) if ask else Route(Way.PROMOTE, ("passed all gates",))


def record_answer(
    registry: "Registry", journal: Journal, model: str, version: str, answer: Answer, *, run: RunRef, now: datetime
) -> ModelVersion:
    """Write the answer to the journal and the version's tags. Written twice by one run, it is there once.

    Raises:
        TransientError: MLflow or the journal is away.
    """
    subject, who = f"{model}@{version}", answer.by or NOBODY
    tags = {
        Tag.APPROVAL: APPROVED if answer.approved else REJECTED,
        Tag.APPROVAL_AT: answer.at.isoformat(),
        Tag.APPROVAL_BY: who,
        Tag.APPROVAL_REASON: answer.reason,
    }
    with mlflow_faults(f"{subject}: approval"):
        for name, value in tags.items():
            registry.client.set_model_version_tag(model, version, name.value, value)
    if not _decided(journal, DecisionKind.APPROVAL, model, subject, run):
        by = RunRef(run.dag_id, run.run_id, run.try_number, who, run.trigger)
        journal.record_decision(
            Decision(model, DecisionKind.APPROVAL, answer.approved, (answer.words,), now, by, subject)
        )
    return registry.version(model, version)


def approval_of(journal: Journal, model: str, version: str, run: RunRef) -> Decision | None:
    """The answer that a person gave in this run; None when nobody was asked."""
    return _decided(journal, DecisionKind.APPROVAL, model, f"{model}@{version}", run)


def _decided(journal: Journal, kind: DecisionKind, model: str, subject: str, run: RunRef) -> Decision | None:
    for decision in journal.decisions(model, kind):
        if decision.subject == subject and decision.run.run_id == run.run_id:
            return decision
    return None
