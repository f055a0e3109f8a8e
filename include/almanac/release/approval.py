"""What a person answered about a version, and the promotion that follows from it, or from the rule that asks nobody."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.approvers import approval_of
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import ApprovalError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.questions import NOBODY, Exchange, exchange_of, record_question, why_not_valid
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.faults import mlflow_faults
from almanac.registry.records import APPROVED, CHAMPION, PASSED, REJECTED, Tag
from almanac.release.four_eyes import barred
from almanac.release.promotion import promote
from almanac.release.route import GATES, Way, find_route, shadow_verdict

if TYPE_CHECKING:
    from almanac.registry.store import Registry


@dataclass(frozen=True)
class Answer:
    """What a person said, or that nobody did.

    Attributes:
        approved: whether the version may go into production.
        by: the person's name; empty when nobody answered in time.
        reason: the person's words, or none.
        at: aware.
        id: the person's id in Airflow; empty: the name.
    """

    approved: bool
    by: str
    reason: str
    at: datetime
    id: str = ""

    @property
    def words(self) -> str:
        """Who said what, in one line."""
        if not self.by:
            return "nobody answered in time, and no answer is a no"
        return f"{'approved' if self.approved else 'rejected'} by {self.by}"


@dataclass(frozen=True)
class Desk:
    """What every step of one version's approval needs.

    Attributes:
        model: its declaration.
        version: its number.
        home: the installation, which names who decides where the model names nobody.
        registry: holds the version.
        journal: holds question and answer.
        run: which run.
        now: aware.
    """

    model: Model
    version: str
    home: Home
    registry: "Registry"
    journal: Journal
    run: RunRef
    now: datetime

    @property
    def subject(self) -> str:
        """The version in words."""
        return f"{self.model.name}@{self.version}"

    def exchange(self) -> Exchange:
        """What was asked and answered in this run."""
        return exchange_of(self.journal, self.model.name, self.subject, self.run)

    def barred(self) -> dict[str, str]:
        """Who may not approve, by four eyes."""
        if not approval_of(self.model, self.home).four_eyes:
            return {}
        return barred(self.registry.version(self.model.name, self.version), self.home, self.journal, self.run)

    def fault(self, question: Decision | None, answer: Decision | None) -> str:
        """Why an answer does not count; empty when it does."""
        approval = approval_of(self.model, self.home)
        return why_not_valid(question, answer, approval, timeout=approval.timeout, barred=self.barred())

    def record(self, accepted: bool, *reasons: str) -> Decision:
        """Write what became of the promotion."""
        decision = Decision(
            self.model.name, DecisionKind.PROMOTION, accepted, reasons, self.now, self.run, self.subject
        )  # fmt: skip
        self.journal.record_decision(decision)
        return decision


def ask_person(desk: Desk, *, by_hand: str = "") -> tuple[str, ...]:
    """Write the question down; gives who may answer, empty: whoever may act on the DAG.

    Args:
        desk: about which version.
        by_hand: why a person started this run to promote it, although the rule does not.

    Raises:
        ApprovalError: four eyes leave nobody of those who are declared.
    """
    approval, barred = approval_of(desk.model, desk.home), desk.barred()
    users = tuple(user for user in approval.users if user.casefold() not in barred)
    if approval.users and not users:
        why = "; ".join(f"{user} {barred[user.casefold()]}" for user in approval.users)
        desk.record(False, f"four eyes leave nobody to ask: {why}")
        raise ApprovalError(
            f"{desk.subject}: four eyes leave nobody to ask: {why}. Declare somebody else in approval.users of"
            f" {desk.model.name}.yaml or _installation.yaml, then clear this task"
        )
    asked = find_route(desk.model, desk.registry, desk.journal, desk.version).reasons
    reasons = tuple(filter(None, [f"{desk.run.started_by} started it by hand: {by_hand}" if by_hand else "", *asked]))
    record_question(
        desk.journal, desk.model.name, desk.subject, reasons, approval=approval.model_copy(update={"users": users}),
        run=desk.run, now=desk.now,
    )  # fmt: skip
    return users


def record_answer(desk: Desk, answer: Answer) -> Answer:
    """Write the answer to the journal and the version's tags; gives what it counts as: a yes that may not be is a no.

    Written twice by one run, it is there once.

    Raises:
        TransientError: MLflow or the journal is away.
    """
    exchange, who = desk.exchange(), answer.by or NOBODY
    if exchange.answer is None:  # before MLflow, which may be away
        by = replace(desk.run, started_by=who)
        told = (answer.words, *filter(None, [answer.reason]))
        given = Decision(
            desk.model.name, DecisionKind.APPROVAL, answer.approved, told, answer.at, by, desk.subject,
            people=(answer.id or answer.by,) if answer.by else (),
        )  # fmt: skip
        if answer.approved and (fault := desk.fault(exchange.question, given)):
            given = replace(given, accepted=False, reasons=(f"does not count: {fault}", *told))
        desk.journal.record_decision(given)
        answer = replace(answer, approved=given.accepted)
    else:
        answer = _answer(exchange.answer)
    tags = {
        Tag.APPROVAL: APPROVED if answer.approved else REJECTED,
        Tag.APPROVAL_AT: answer.at.isoformat(),
        Tag.APPROVAL_BY: who,
        Tag.APPROVAL_REASON: answer.reason,
    }
    with mlflow_faults(f"{desk.subject}: approval"):
        for name, value in tags.items():
            desk.registry.client.set_model_version_tag(desk.model.name, desk.version, name.value, value)
    return answer


def answer_of(journal: Journal, model: str, version: str, run: RunRef) -> Answer | None:
    """The answer that was given in this run; None when there is none yet, or nobody was asked."""
    found = exchange_of(journal, model, f"{model}@{version}", run).answer
    return None if found is None else _answer(found)


def _answer(found: Decision) -> Answer:
    by = "" if found.run.started_by == NOBODY else found.run.started_by
    words = found.reasons[2:] if found.reasons[0].startswith("does not count: ") else found.reasons[1:]
    return Answer(found.accepted, by, "".join(words), found.decided_at, "".join(found.people))


def decide_by_hand(desk: Desk, starter: str, reason: str) -> str:
    """Take the word of who started this run to promote a version; gives why it does not count, empty when it does.

    Question and answer are then in the journal as if the person had been asked.

    Args:
        desk: about which version.
        starter: the name of who started the run by hand; empty: Airflow does not say, or nobody did.
        reason: what the person gave as reason.
    """
    approval = approval_of(desk.model, desk.home)
    if not starter:
        return "nobody is known to have started this run by hand"
    if approval.four_eyes:
        return f"four eyes: {starter} started this run, so somebody else must answer"
    # Users are declared by id, and where ids are numbers a name could be another's number.
    if approval.users and (starter not in approval.users or starter.isdecimal()):
        return f"{starter} is none of those who may decide alone ({', '.join(approval.users)})"
    record_question(
        desk.journal, desk.model.name, desk.subject, (f"{starter} started it by hand: {reason}",), approval=approval,
        run=desk.run, now=desk.now,
    )  # fmt: skip
    record_answer(desk, Answer(True, starter, reason, desk.now))
    return ""


def promote_as_answered(desk: Desk, *, by_hand: str = "") -> Decision:
    """Promote a version in the name of the person who approved it in this run, or of the rule that asks nobody.

    The rule is looked at again, and the answer is looked for in the journal: that this step runs says nothing, for
    Airflow lets it run when the question was marked as answered, skipped or cleared.

    Args:
        desk: which version, by which run.
        by_hand: why a person started this run to promote it; whatever it was measured against then.

    Returns:
        The decision that was recorded: refused when the rule says no, or says it by now.

    Raises:
        ApprovalError: a person must say yes, and none has who may. It is recorded as a refused decision.
        RegistryError: the answer was no, or the version has not passed the gates.
        TransientError: MLflow or the journal is away.
    """
    exchange, found = desk.exchange(), find_route(desk.model, desk.registry, desk.journal, desk.version)
    if exchange.answer is not None and not exchange.answer.accepted:
        raise RegistryError(f"{desk.subject}: {'; '.join(exchange.answer.reasons)}, so it is not promoted")
    if fault := _why_not_of_this_run(desk, by_hand) or _why_used(desk):
        raise _refused(desk, fault)
    if found.way in (Way.STAY, Way.SHADOW) and not by_hand:
        return desk.record(False, *found.reasons)
    fault = desk.fault(exchange.question, exchange.answer)
    if fault and (found.way is Way.ASK or (by_hand and found.way is not Way.PROMOTE)):
        raise _refused(desk, f"{'; '.join(found.reasons)}; but {fault}")
    said, run = by_hand, desk.run
    if exchange.answer is not None and not fault:
        answer = _answer(exchange.answer)
        said, run = ": ".join(filter(None, [answer.words, answer.reason])), replace(desk.run, started_by=answer.by)
    chosen = desk.registry.version(desk.model.name, desk.version)
    proof = shadow_verdict(chosen) if chosen.tags.get(Tag.SHADOW) == PASSED else ""
    reason = "; ".join(filter(None, [said, proof])) or GATES
    promote(
        desk.registry, desk.model, desk.version, reason=reason, run=run, journal=desk.journal, now=desk.now
    )  # fmt: skip
    return Decision(desk.model.name, DecisionKind.PROMOTION, True, (reason,), desk.now, run, desk.subject)


def _why_not_of_this_run(desk: Desk, by_hand: str) -> str:
    """Why the version is not one that this run may be about, whatever number Airflow handed over; empty: it is."""
    if by_hand:
        return ""  # the form names it
    version = desk.registry.version(desk.model.name, desk.version)
    judged = desk.journal.decisions(desk.model.name, DecisionKind.GATES, run=desk.run)
    shadowed = desk.journal.decisions(desk.model.name, DecisionKind.SHADOW)
    known = {version.mlflow_run_id: judged, desk.subject: shadowed}
    if any(one.accepted and one.subject == subject for subject, found in known.items() for one in found):
        return ""
    return "the journal knows of no gates that it passed in this run, and of no shadow"


def _why_used(desk: Desk) -> str:
    """Why this run may not promote the version once more: it has done so, and another one came since."""
    if desk.registry.aliases(desk.model.name).get(CHAMPION) == desk.version:
        return ""
    for one in desk.journal.decisions(desk.model.name, DecisionKind.PROMOTION, run=desk.run):
        if one.accepted and one.subject == desk.subject:
            return f"this run has promoted it already, at {one.decided_at:%Y-%m-%d %H:%M} UTC; its answer is used up"
    return ""


def _refused(desk: Desk, fault: str) -> ApprovalError:
    """Write the refusal down; gives the error with the way to a proper promotion."""
    desk.record(False, f"not promoted: {fault}")
    users = approval_of(desk.model, desk.home).users
    who = f"one of {', '.join(users)}" if users else "somebody who may act on the DAG"
    return ApprovalError(
        f"{desk.subject}: not promoted: {fault}. Expected a yes of {who} in the journal, for this version and this run."
        f" Start promote_{desk.model.name} with the version and a reason, and let {who} answer there; see"
        " docs/operations.md, A promotion waits for an answer"
    )
