"""Accepts or refuses the payload of a posted event; both are written down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from almanac.config.grammar.payload import payload_problems
from almanac.config.schema import Declared
from almanac.config.sections.triggers import EventTrigger
from almanac.display import shorten
from almanac.errors import DataError
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

_SHOWN_CHARACTERS = 500


@dataclass(frozen=True)
class PostedEvent:
    """One event as it came in: the trigger it was posted to, and what it carried."""

    trigger: str
    payload: Mapping[str, object]


def check_event(
    model: Declared, journal: Journal, event: PostedEvent, *, run: RunRef, now: datetime, cause: str
) -> Decision:
    """Check a payload against its declaration and write the decision into the journal, once for a cause."""
    declared = model.triggers.get(event.trigger)
    if isinstance(declared, EventTrigger):
        problems = payload_problems(declared.payload, event.payload)
    else:
        problems = (f"no event trigger {event.trigger!r} is declared",)
    decision = Decision(
        model=model.name,
        kind=DecisionKind.EVENT,
        accepted=not problems,
        reasons=problems or ("the payload is as declared",),
        decided_at=now,
        run=run,
        subject=event.trigger,
        cause=cause,
    )
    journal.record_once(decision)
    return decision


def accepted_payloads(
    model: Declared, journal: Journal, trigger: str, payloads: Sequence[Mapping[str, object]], *, run: RunRef
) -> list[Mapping[str, object]]:
    """Of the payloads that a task was handed, those that may go on: as declared, in a run that has accepted as many.

    Raises:
        TransientError: the journal is unreachable.
    """
    declared = model.triggers.get(trigger)
    known = journal.decisions(model.name, DecisionKind.EVENT, run=run)
    count = sum(one.accepted and one.subject == trigger for one in known)
    if not isinstance(declared, EventTrigger):
        return []
    return [each for each in payloads if not payload_problems(declared.payload, each)][:count]


def raise_refusals(model: str, refused: Sequence[Mapping[str, object]]) -> None:
    """Fail when an event was refused.

    Args:
        model: whose events.
        refused: `trigger`, `payload` and `reasons` of each.

    Raises:
        DataError: there is one; the message names each fault.
    """
    if not refused:
        return
    message = "\n".join(
        f"event {each['trigger']}: refused: {each['reasons']}; got"
        f" {shorten(json.dumps(each['payload']), _SHOWN_CHARACTERS)}"
        for each in refused
    )
    raise DataError(
        f"{message}\nexpected what include/models/{model}.yaml declares under triggers. No pipeline was triggered."
        " Correct it and post it again; see docs/triggers.md."
    )
