"""Whether a person is asked before a version goes into production, and what became of the question."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from include.config.promotion import obstacles
from include.config.schema import Model
from include.errors import RegistryError
from include.journal.journal import Journal
from include.journal.records import Decision, DecisionKind, RunRef
from include.registry.faults import mlflow_faults
from include.registry.promotion import promote, set_shadow
from include.registry.records import APPROVED, CHAMPION, PASSED, REFUSED, REJECTED, ModelVersion, Tag

if TYPE_CHECKING:
    from include.registry.store import Registry

NOBODY = "nobody"
_GATES = "passed all gates"


class Way(StrEnum):
    """What happens to a registered version next."""

    PROMOTE = "promote"
    ASK = "ask"
    SHADOW = "shadow"
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
        """Who said what, in one line."""
        if not self.by:
            return "nobody answered in time, and no answer is a no"
        return f"{'approved' if self.approved else 'rejected'} by {self.by}"


def route(model: Model, registry: "Registry", journal: Journal, version: str, *, run: RunRef, now: datetime) -> Route:
    """Decide what happens to a version that has passed its gates. A refusal to promote is a recorded decision.

    Where the gates ask for a person, a person is asked, whatever the model's YAML says.

    Args:
        model: says how its versions are promoted.
        registry: holds the version.
        journal: takes the decision that the version stays challenger.
        version: its number.
        run: which run asks.
        now: aware.

    Raises:
        TransientError: MLflow or the journal is away.
    """
    found = _route(model, registry, version)
    if found.way is Way.SHADOW:
        why = found.reasons[0]
        set_shadow(registry, model.name, version, reason=why, run=run, journal=journal, now=now)
    subject = f"{model.name}@{version}"
    if found.way is Way.STAY and not _decided(journal, DecisionKind.PROMOTION, model.name, subject, run):
        journal.record_decision(
            Decision(model.name, DecisionKind.PROMOTION, False, found.reasons, now, run, subject)
        )  # fmt: skip
    return found


def _route(model: Model, registry: "Registry", number: str) -> Route:
    champion, version = registry.champion(model.name), registry.version(model.name, number)
    there = champion.version if champion else ""
    if there == number:  # tried again after it was promoted
        return Route(Way.PROMOTE, ("it is champion already",))
    if faults := obstacles(model):
        return Route(Way.STAY, tuple(f"cannot be promoted: {fault}" for fault in faults))
    if stale := _stale(version, there):
        return Route(Way.STAY, (stale,))
    shadow, said = model.shadow, version.tags.get(Tag.SHADOW, "")
    if shadow is not None and champion is not None and said != PASSED:
        if said == REFUSED:
            return Route(Way.STAY, (_shadow_verdict(version),))
        return Route(Way.SHADOW, (f"in shadow until {shadow.rows} of its predictions have a label",))
    if model.promotion == "manual" or (said == PASSED and shadow is not None and shadow.then == "nothing"):
        return Route(Way.STAY, (f"promotion is manual: ./almanac promote {model.name}@{number} --reason ...",))
    asked = tuple(filter(None, version.tags.get(Tag.ASK, "").splitlines()))
    if said == PASSED and shadow is not None:
        reasons = (_shadow_verdict(version), *asked)
        return Route(Way.ASK if shadow.then == "ask" or asked else Way.PROMOTE, reasons)
    if model.promotion == "approve":
        return Route(Way.ASK, (f"{model.name}.yaml says so: promotion is approve", *asked))
    return Route(Way.ASK, asked) if asked else Route(Way.PROMOTE, (_GATES,))


def record_answer(
    registry: "Registry", journal: Journal, model: str, version: str, answer: Answer, *, run: RunRef, now: datetime
) -> ModelVersion:
    """Write the answer to the journal and the version's tags. Written twice by one run, it is there once.

    Raises:
        TransientError: MLflow or the journal is away.
    """
    subject, who = f"{model}@{version}", answer.by or NOBODY
    if not _decided(journal, DecisionKind.APPROVAL, model, subject, run):  # before MLflow, which may be away
        by = RunRef(run.dag_id, run.run_id, run.try_number, who, run.trigger)
        told = (answer.words, *filter(None, [answer.reason]))
        journal.record_decision(Decision(model, DecisionKind.APPROVAL, answer.approved, told, now, by, subject))
    tags = {
        Tag.APPROVAL: APPROVED if answer.approved else REJECTED,
        Tag.APPROVAL_AT: answer.at.isoformat(),
        Tag.APPROVAL_BY: who,
        Tag.APPROVAL_REASON: answer.reason,
    }
    with mlflow_faults(f"{subject}: approval"):
        for name, value in tags.items():
            registry.client.set_model_version_tag(model, version, name.value, value)
    return registry.version(model, version)


def answer_of(journal: Journal, model: str, version: str, run: RunRef) -> Answer | None:
    """The answer that was given in this run; None when there is none yet, or nobody was asked."""
    found = _decided(journal, DecisionKind.APPROVAL, model, f"{model}@{version}", run)
    if found is None:
        return None
    by = "" if found.run.started_by == NOBODY else found.run.started_by
    return Answer(found.accepted, by, "".join(found.reasons[1:]), found.decided_at)


def promote_as_answered(
    registry: "Registry",
    model: Model,
    version: str,
    *,
    by_hand: str = "",
    run: RunRef,
    journal: Journal,
    now: datetime,
) -> Decision:
    """Promote a version in the name of the person who approved it in this run, or of the rule that asked nobody.

    Args:
        registry: where.
        model: its declaration.
        version: its number.
        by_hand: why a person started this run to promote it; whatever it was measured against then.
        run: which run.
        journal: holds the answer, and takes the audit rows.
        now: aware.

    Returns:
        The decision that was recorded: refused when the champion changed while a person thought about it.

    Raises:
        RegistryError: the answer was no, or the version has not passed the gates.
        TransientError: MLflow or the journal is away.
    """
    answer, where = answer_of(journal, model.name, version, run), f"{model.name}@{version}"
    if answer is not None and not answer.approved:
        raise RegistryError(f"{where}: {answer.words}, so it is not promoted")
    chosen, there = registry.version(model.name, version), registry.aliases(model.name).get(CHAMPION, "")
    said, who = by_hand, run
    if answer is not None:
        said, who = ": ".join(filter(None, [answer.words, answer.reason])), replace(run, started_by=answer.by)
    proof = _shadow_verdict(chosen) if chosen.tags.get(Tag.SHADOW) == PASSED else ""
    reason = "; ".join(filter(None, [said, proof])) or _GATES
    stale = "" if by_hand or there == version else _stale(chosen, there)
    if stale:
        decision = Decision(model.name, DecisionKind.PROMOTION, False, (stale,), now, who, where)
        journal.record_decision(decision)
        return decision
    promote(registry, model, version, reason=reason, run=who, journal=journal, now=now)
    return Decision(model.name, DecisionKind.PROMOTION, True, (reason,), now, who, where)


def _shadow_verdict(version: ModelVersion) -> str:
    """What its shadow run came to, with figures."""
    return version.tags.get(Tag.SHADOW_REASON, "compared with the champion in shadow")


def _stale(version: ModelVersion, champion: str) -> str:
    """Why a version must not be promoted by a comparison that is no longer true; empty when it still is."""
    judged_against = version.tags.get(Tag.SHADOW_AGAINST) or version.tags.get(Tag.PARENT_VERSION, "")
    if judged_against == champion:
        return ""
    return f"it was measured against champion {judged_against or 'none'}, but by now it is {champion or 'none'}"


def _decided(journal: Journal, kind: DecisionKind, model: str, subject: str, run: RunRef) -> Decision | None:
    for decision in journal.decisions(model, kind):
        if decision.subject == subject and decision.run.run_id == run.run_id:
            return decision
    return None
