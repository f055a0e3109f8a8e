"""Requests for a retrain, and the answer that each of them gets.

The monitor, or a person whom it asked, writes a request into the journal and emits an event. Two events may trigger
one run, and an event may be lost; so each decision about a training answers every request that has no answer yet.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from almanac.config.schema import Declared
from almanac.journal.journal import Journal
from almanac.journal.questions import same_run
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.run_context import RunContext

RETRAIN = "retrain"
_NEWEST = 200  # records that are looked through; a request that is older was followed by so many others


@dataclass(frozen=True)
class Request:
    """What a run of the monitor, or a person through it, asks for.

    Attributes:
        decision: the record.
        reasons: why.
    """

    decision: Decision
    reasons: tuple[str, ...]

    @property
    def cause(self) -> str:
        """What its answer names. A run asks once for itself, and once for the person whom it has asked."""
        of, run = self.decision.kind, self.decision.run
        return f"request {hashlib.sha256(f'{of} {run.dag_id} {run.run_id}'.encode()).hexdigest()}"


def pending_requests(journal: Journal, model: Declared, run: RunRef | None) -> list[Request]:
    """The requests that no other run has answered, the newest first.

    Args:
        journal: holds requests and answers.
        model: whose.
        run: the training run that asks: what it has answered itself, at an earlier try, it may answer again; None:
            nobody's answers are left out.

    Raises:
        TransientError: the journal is unreachable.
    """
    found = _requests(journal, model)
    if not found:
        return []
    answers = journal.caused(model.name, DecisionKind.RETRAIN_ANSWER, [one.cause for one in found])
    open_ones = [one for one in found if one.cause not in answers or _is_of(answers[one.cause], run)]
    before = _answered_before(journal, model, run) if open_ones else None
    return [one for one in open_ones if before is None or one.decision.decided_at > before]


def answer_requests(context: RunContext, model: Declared, requests: Sequence[Request], decision: Decision) -> None:
    """Write for each request what was decided about the training, once.

    Raises:
        TransientError: the journal is unreachable.
    """
    for one in requests:
        reasons = (f"asked by {one.decision.run.run_id}: {'; '.join(one.reasons)}", *decision.reasons)
        context.journal.record_once(
            Decision(
                model.name,
                DecisionKind.RETRAIN_ANSWER,
                decision.accepted,
                reasons,
                context.now,
                context.run,
                one.decision.subject,
                cause=one.cause,
            )
        )


def _requests(journal: Journal, model: Declared) -> list[Request]:
    """What was asked for, the newest first; of a run's several tries the newest counts."""
    alarms = journal.decisions(model.name, DecisionKind.ALARM, limit=_NEWEST)
    newest_try: dict[tuple[str, str], datetime] = {}
    for one in alarms:
        newest_try.setdefault((one.run.dag_id, one.run.run_id), one.decided_at)
    alarms = [one for one in alarms if one.decided_at == newest_try[one.run.dag_id, one.run.run_id]]
    answered = journal.decisions(model.name, DecisionKind.ACTION, limit=_NEWEST)
    monitor = f"monitor_{model.name}"
    found = [
        Request(one, (*one.reasons, *(_alarm_reasons(alarms, one.run) if one.kind is DecisionKind.ACTION else ())))
        for one in (*answered, *alarms)
        if one.accepted and RETRAIN in one.figures and one.run.dag_id == monitor
    ]
    return sorted(found, key=lambda one: one.decision.decided_at, reverse=True)


def _alarm_reasons(alarms: Sequence[Decision], run: RunRef) -> tuple[str, ...]:
    """Why a person was asked."""
    return next((one.reasons for one in alarms if "ask" in one.figures and same_run(one.run, run)), ())


def _answered_before(journal: Journal, model: Declared, run: RunRef | None) -> datetime | None:
    """Until when requests were answered by releases that wrote no answer of their own for each."""
    trained = journal.decisions(model.name, DecisionKind.TRAINING, limit=_NEWEST, subject="retrain_request")
    answers = journal.decisions(model.name, DecisionKind.RETRAIN_ANSWER, limit=_NEWEST) if trained else []
    answering = {(one.run.dag_id, one.run.run_id) for one in answers}
    old = (one for one in trained if (one.run.dag_id, one.run.run_id) not in answering and not _is_of(one, run))
    return next((one.decided_at for one in old), None)


def _is_of(decision: Decision, run: RunRef | None) -> bool:
    return run is not None and same_run(decision.run, run)
