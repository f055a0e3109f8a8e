"""A person's answer about a version, and the promotion that follows from it or from a rule that asks nobody."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.approvers import approval_of
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import ApprovalError, ConfigError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.questions import NOBODY, Exchange, exchange_of, record_question, why_not_valid
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.errors import mlflow_errors
from almanac.registry.records import APPROVED, CHAMPION, PASSED, REJECTED, Tag
from almanac.release.four_eyes import barred
from almanac.release.promotion import promote
from almanac.release.rollout import start_rollout
from almanac.release.route import GATES, Way, find_route, shadow_verdict

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext
    from almanac.registry.store import Registry


@dataclass(frozen=True)
class Answer:
    """A person's answer, or that there was none.

    Attributes:
        approved: whether the version may go into production.
        by: the person's name; empty: nobody answered in time.
        reason: the person's words; may be empty.
        at: when, aware.
        id: the person's id in Airflow; empty: the name is the id.
    """

    approved: bool
    by: str
    reason: str
    at: datetime
    id: str = ""

    @property
    def words(self) -> str:
        """The answer in one line."""
        if not self.by:
            return "nobody answered in time, and no answer is a no"
        return f"{'approved' if self.approved else 'rejected'} by {self.by}"


@dataclass(frozen=True)
class Desk:
    """Context of the steps of one version's approval.

    Attributes:
        model: its declaration.
        version: its number.
        home: the installation; it names approvers for models that name none.
        registry: holds the version.
        journal: holds question and answer.
        run: the run that asks.
        now: aware.
    """

    model: Model
    version: str
    home: Home
    registry: "Registry"
    journal: Journal
    run: RunRef
    now: datetime

    @staticmethod
    def of(context: "RunContext", model: Model, version: str) -> "Desk":
        """The desk of a running task."""
        return Desk(model, version, context.home, context.registry, context.journal, context.run, context.now)

    @property
    def subject(self) -> str:
        """The version: `model@number`."""
        return f"{self.model.name}@{self.version}"

    def exchange(self) -> Exchange:
        """Question and answer of this run."""
        return exchange_of(self.journal, self.model.name, self.subject, self.run)

    def barred(self) -> dict[str, str]:
        """Who may not approve, by four eyes, and why."""
        if not approval_of(self.model, self.home).four_eyes:
            return {}
        return barred(self.registry.version(self.model.name, self.version), self.home, self.journal, self.run)

    def fault(self, question: Decision | None, answer: Decision | None) -> str:
        """Why an answer does not count; empty: it counts."""
        approval = approval_of(self.model, self.home)
        return why_not_valid(question, answer, approval, timeout=approval.timeout, barred=self.barred())

    def record(self, accepted: bool, *reasons: str) -> Decision:
        """Record the decision about the promotion."""
        decision = Decision(
            self.model.name, DecisionKind.PROMOTION, accepted, reasons, self.now, self.run, self.subject
        )
        self.journal.record_decision(decision)
        return decision


def ask_person(desk: Desk, *, by_hand: str = "") -> tuple[str, ...]:
    """Record the question; return who may answer, empty: everyone who may act on the DAG.

    Args:
        desk: the version.
        by_hand: the reason of a person who started this run to promote it, although the rule does not.

    Raises:
        ApprovalError: four eyes exclude all declared approvers.
    """
    approval, barred = approval_of(desk.model, desk.home), desk.barred()
    users = tuple(user for user in approval.users if user.casefold() not in barred)
    if approval.users and not users:
        why = "; ".join(f"{user} {barred[user.casefold()]}" for user in approval.users)
        desk.record(False, f"four eyes exclude all approvers: {why}")
        raise ApprovalError(
            f"{desk.subject}: four eyes exclude all approvers: {why}. Declare another one in approval.users of"
            f" {desk.model.name}.yaml or _installation.yaml, then clear this task"
        )
    asked = find_route(desk.model, desk.registry, desk.journal, desk.version).reasons
    reasons = tuple(filter(None, [f"{desk.run.started_by} started it by hand: {by_hand}" if by_hand else "", *asked]))
    record_question(
        desk.journal,
        desk.model.name,
        desk.subject,
        reasons,
        approval=approval.model_copy(update={"users": users}),
        run=desk.run,
        now=desk.now,
    )
    return users


def record_answer(desk: Desk, answer: Answer) -> Answer:
    """Record the answer in the journal and in the version's tags; return it as it counts: an invalid yes is a no.

    Idempotent within one run.

    Raises:
        TransientError: MLflow or the journal is not available.
    """
    exchange, who = desk.exchange(), answer.by or NOBODY
    if exchange.answer is None:  # before MLflow, which may be unavailable
        by = replace(desk.run, started_by=who)
        reasons = (answer.words, *filter(None, [answer.reason]))
        given = Decision(
            desk.model.name,
            DecisionKind.APPROVAL,
            answer.approved,
            reasons,
            answer.at,
            by,
            desk.subject,
            people=(answer.id or answer.by,) if answer.by else (),
        )
        if answer.approved and (problem := desk.fault(exchange.question, given)):
            given = replace(given, accepted=False, reasons=(f"does not count: {problem}", *reasons))
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
    with mlflow_errors(f"{desk.subject}: approval"):
        for name, value in tags.items():
            desk.registry.client.set_model_version_tag(desk.model.name, desk.version, name.value, value)
    return answer


def answer_of(journal: Journal, model: str, version: str, run: RunRef) -> Answer | None:
    """The answer of this run; None: there is none yet, or nobody was asked."""
    found = exchange_of(journal, model, f"{model}@{version}", run).answer
    return None if found is None else _answer(found)


def _answer(found: Decision) -> Answer:
    by = "" if found.run.started_by == NOBODY else found.run.started_by
    words = found.reasons[2:] if found.reasons[0].startswith("does not count: ") else found.reasons[1:]
    return Answer(found.accepted, by, "".join(words), found.decided_at, "".join(found.people))


def decide_by_hand(desk: Desk, starter: str, reason: str) -> str:
    """Take the start of this run as its starter's approval; return why it does not count, empty: it counts.

    Question and answer are then in the journal as if the person had been asked.

    Args:
        desk: the version.
        starter: the name of the person who started the run; empty: unknown, or it was no person.
        reason: the person's reason.
    """
    approval = approval_of(desk.model, desk.home)
    if not starter:
        return "it is not known who started this run by hand"
    if approval.four_eyes:
        return f"four eyes: {starter} started this run, so another person must answer"
    # Users are declared by id; where ids are numbers, a name could equal another user's id.
    if approval.users and (starter not in approval.users or starter.isdecimal()):
        return f"{starter} is not among the users who may approve alone ({', '.join(approval.users)})"
    record_question(
        desk.journal,
        desk.model.name,
        desk.subject,
        (f"{starter} started it by hand: {reason}",),
        approval=approval,
        run=desk.run,
        now=desk.now,
    )
    record_answer(desk, Answer(True, starter, reason, desk.now))
    return ""


def promote_as_answered(desk: Desk, *, by_hand: str = "") -> Decision:
    """Promote a version, or begin its rollout where one is declared.

    In the name of the person who approved it in this run, or by a rule that asks nobody.

    Rule and answer are checked again, the answer in the journal: this step also runs in Airflow when the question was
    marked as success, skipped or cleared.

    Args:
        desk: the version, and the run.
        by_hand: the reason of a person who started this run to promote it; then an outdated comparison does not matter.

    Returns:
        The recorded decision; not accepted when the rule refuses.

    Raises:
        ApprovalError: no valid approval is in the journal; recorded as a refused decision.
        RegistryError: the answer was no, or the version has not passed the gates.
        TransientError: MLflow or the journal is not available.
    """
    exchange, found = desk.exchange(), find_route(desk.model, desk.registry, desk.journal, desk.version)
    if exchange.answer is not None and not exchange.answer.accepted:
        raise RegistryError(f"{desk.subject}: {'; '.join(exchange.answer.reasons)}, so it is not promoted")
    if problem := _why_not_of_this_run(desk, by_hand) or _why_used(desk):
        raise _refused(desk, problem)
    if found.way in (Way.STAY, Way.SHADOW) and not by_hand:
        return desk.record(False, *found.reasons)
    problem = desk.fault(exchange.question, exchange.answer)
    if problem and (found.way is Way.ASK or (by_hand and found.way is not Way.PROMOTE)):
        raise _refused(desk, f"{'; '.join(found.reasons)}; but {problem}")
    reason, run = by_hand, desk.run
    if exchange.answer is not None and not problem:
        answer = _answer(exchange.answer)
        reason, run = ": ".join(filter(None, [answer.words, answer.reason])), replace(desk.run, started_by=answer.by)
    chosen = desk.registry.version(desk.model.name, desk.version)
    proof = shadow_verdict(chosen) if chosen.tags.get(Tag.SHADOW) == PASSED else ""
    reason = "; ".join(filter(None, [reason, proof])) or GATES
    champion = desk.registry.aliases(desk.model.name).get(CHAMPION, "")
    if desk.model.rollout is not None and champion not in ("", desk.version):
        return _roll_out(desk, reason, run)
    promote(desk.registry, desk.model, desk.version, reason=reason, run=run, journal=desk.journal, now=desk.now)
    return Decision(desk.model.name, DecisionKind.PROMOTION, True, (reason,), desk.now, run, desk.subject)


def _roll_out(desk: Desk, reason: str, run: RunRef) -> Decision:
    """Begin a rollout in place of the promotion, which follows at its end; not accepted: the champion stays for now."""
    journal, model = desk.journal, desk.model
    try:
        at = start_rollout(desk.registry, model, desk.version, reason=reason, run=run, journal=journal, now=desk.now)
    except ConfigError as error:
        return desk.record(False, str(error))
    words = f"the rollout {at.id} has begun; the version becomes champion at its end"
    return Decision(model.name, DecisionKind.PROMOTION, False, (words,), desk.now, run, desk.subject)


def _why_not_of_this_run(desk: Desk, by_hand: str) -> str:
    """Why this run may not promote the version, whatever number Airflow passed to it; empty: it may."""
    if by_hand:
        return ""  # the form names it
    version = desk.registry.version(desk.model.name, desk.version)
    judged = desk.journal.decisions(desk.model.name, DecisionKind.GATES, run=desk.run)
    shadowed = desk.journal.decisions(desk.model.name, DecisionKind.SHADOW, subject=desk.subject)
    known = {version.mlflow_run_id: judged, desk.subject: shadowed}
    if any(one.accepted and one.subject == subject for subject, found in known.items() for one in found):
        return ""
    return "the journal has no record that it passed gates in this run, or shadow scoring"


def _why_used(desk: Desk) -> str:
    """Why this run may not promote the version again: it has done so, and another champion followed; empty: it may."""
    if desk.registry.aliases(desk.model.name).get(CHAMPION) == desk.version:
        return ""
    for one in desk.journal.decisions(desk.model.name, DecisionKind.PROMOTION, run=desk.run):
        if one.accepted and one.subject == desk.subject:
            return f"this run has already promoted it, at {one.decided_at:%Y-%m-%d %H:%M} UTC; an answer counts once"
    return ""


def _refused(desk: Desk, problem: str) -> ApprovalError:
    """Record the refusal; return the error, which says how to promote."""
    desk.record(False, f"not promoted: {problem}")
    users = approval_of(desk.model, desk.home).users
    who = f"one of {', '.join(users)}" if users else "a person who may act on the DAG"
    return ApprovalError(
        f"{desk.subject}: not promoted: {problem}. Expected the approval of {who} in the journal, for this version and"
        f" run. Start promote_{desk.model.name} with the version and a reason, and let {who} answer there; see"
        " docs/operations.md, A promotion waits for an answer"
    )
