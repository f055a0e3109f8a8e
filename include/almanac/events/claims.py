"""What an asset event claims, held against what the journal and the registry know.

Users who may create asset events by REST may post to any asset, with any content and any partition. So an event only
triggers: its claim is checked against Almanac's records; an event without a record is refused, with a record.
Airflow itself says which task of which run emitted an event; a posted one names none.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.grammar.payload import payload_problems
from almanac.config.schema import Declared, Model
from almanac.config.sections.triggers import EventTrigger
from almanac.errors import ConfigError
from almanac.events.requests import pending_requests
from almanac.journal.journal import Journal
from almanac.journal.questions import same_run
from almanac.journal.records import Decision, DecisionKind, RunRef, WindowState
from almanac.registry.run_context import RunContext

if TYPE_CHECKING:
    from almanac.registry.store import Registry


@dataclass(frozen=True)
class AssetEvent:
    """One event that has triggered a run.

    Attributes:
        asset: the asset's name.
        source: the run whose task emitted it; None: somebody posted it, or a watcher saw it.
        extra: its content.
    """

    asset: str
    source: RunRef | None
    extra: Mapping[str, object] = field(default_factory=dict)


def retrain_reasons(journal: Journal, model: Declared, event: AssetEvent, run: RunRef) -> tuple[str, ...]:
    """Why the monitor, or a person whom it asked, wants a retrain: by the record of the run that emitted the event.

    Empty without such a record, or when another run has answered it: a request is answered once.

    Raises:
        TransientError: the journal is unreachable.
    """
    if event.source is None:
        return ()
    pending = pending_requests(journal, model, run)
    return next((one.reasons for one in pending if same_run(one.decision.run, event.source)), ())


def why_not_accepted(journal: Journal, model: Declared, trigger: str, event: AssetEvent) -> str:
    """Why an event of a declared trigger does not count: its payload was accepted by nobody; empty when it was.

    The payload is checked once more: who uses it must not rely on who let it in.

    Raises:
        TransientError: the journal is unreachable.
    """
    declared = model.triggers[trigger]
    if not isinstance(declared, EventTrigger):
        return ""
    if event.source is None or event.source.dag_id != f"event_{model.name}":
        return f"it was posted past event_{model.name}; expected a post to event_{trigger}.{model.name}"
    checked = journal.decisions(model.name, DecisionKind.EVENT, run=event.source)
    if not any(one.accepted and one.subject == trigger for one in checked):
        return f"the journal has no accepted event of run {event.source.run_id}"
    payloads = event.extra.get("payloads", [])
    if not isinstance(payloads, list):
        return f"its payloads are not a list; got {type(payloads).__name__}"
    maps = [each if isinstance(each, dict) else {"payload": each} for each in payloads]
    return "; ".join(problem for each in maps for problem in payload_problems(declared.payload, each))


def why_not_closed(journal: Journal, model: Declared, partition_key: str) -> str:
    """Why a window is not one that was announced: it has not closed, by the journal; empty when it has.

    Raises:
        TransientError: the journal is unreachable.
    """
    from almanac.windows.closing import CLOSED, window_of_run

    try:
        window = window_of_run(model, partition_key)
    except ConfigError as error:
        return str(error)
    known = journal.windows(model.name, since=window.start, until=window.end)
    states = {one.window_start: one.state for one in known if one.window_end == window.end}
    # one that is counted again has been announced before, and is again in a moment
    if states.get(window.start) in CLOSED | {WindowState.RUNNING}:
        return ""
    return f"the window {window} has not closed, according to the journal; it is {states.get(window.start, 'unknown')}"


def why_not_changed(model: Model, registry: "Registry") -> tuple[str, str]:
    """What has changed since the champion was trained, looked up again; else why the event does not count."""
    from almanac.training.changes import find_change

    reason = find_change(model, registry)
    return reason, "" if reason else "neither the declaration nor the code differs from the champion's"


def shadow_verdict(journal: Journal, model: Declared, run: RunRef | None) -> Decision | None:
    """The newest accepted verdict of a shadow that no other run has proposed yet; its subject names the version.

    Raises:
        TransientError: the journal is unreachable.
    """
    accepted = journal.decisions(model.name, DecisionKind.SHADOW, limit=1, accepted=True)
    if not accepted:
        return None
    newest = accepted[0]
    for kind in (DecisionKind.QUESTION, DecisionKind.APPROVAL, DecisionKind.PROMOTION):
        for one in journal.decisions(model.name, kind, since=newest.decided_at):
            if one.subject == newest.subject and (run is None or not same_run(one.run, run)):
                return None
    return newest


def record_refusal(context: RunContext, model: str, asset: str, reason: str) -> str:
    """Write once in a run that an event was refused; gives the words."""
    words = f"an event of {asset} is refused: {reason}"
    known = context.journal.decisions(model, DecisionKind.EVENT, run=context.run)
    if not any(one.reasons == (words,) for one in known):
        refused = Decision(model, DecisionKind.EVENT, False, (words,), context.now, context.run, asset)
        context.journal.record_decision(refused)
    return words
