"""Which of the events that triggered a run count: those that the journal and the registry know of."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared, Model
from almanac.config.sections.pipelines import Kind
from almanac.config.sections.triggers import EventTrigger
from almanac.events.claims import (
    AssetEvent,
    record_refusal,
    retrain_reasons,
    why_not_accepted,
    why_not_changed,
    why_not_closed,
)
from almanac.events.requests import pending_requests
from almanac.journal.records import RunRef
from almanac_airflow import assets
from almanac_airflow.handled import handled_before, missed_now
from almanac_airflow.runs import is_swept, partition_key
from almanac_airflow.schedules import assets_of, satisfied

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


@dataclass(frozen=True)
class TriggeringEvents:
    """The events that count.

    Attributes:
        names: of their assets.
        reasons: of those that give one, by asset, as the journal or the registry says it.
        refused: why the others do not count: claims that nobody has recorded, which are in the journal, and what was
            handled before.
    """

    names: frozenset[str] = frozenset()
    reasons: dict[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()


def require_event(context: "RunContext", model: Declared, kind: Kind) -> None:
    """Go on if an event that counts triggered the run, or no event at all; call it first in a pipeline's first task.

    Raises:
        AirflowSkipException: what triggered the run is refused, and what is left does not satisfy the pipeline's rule.
    """
    events = triggering_events(context, model, kind)
    if events.refused and not satisfied(model, kind, events.names, context.home):
        raise AirflowSkipException("; ".join(events.refused))


def triggering_events(context: "RunContext", model: Declared, kind: Kind) -> TriggeringEvents:
    """Hold each event of the running task's run against what is recorded; refusals go to the journal.

    A run of the sweep was triggered by the states that are still not handled. What another run has handled counts for
    nobody: an event and the sweep may trigger two runs for the same.
    """
    names, reasons, refused = set[str](), dict[str, list[str]](), list[str]()
    for event in _events(model):
        reason, problem = _examine(context, model, event)
        if problem:
            refused.append(record_refusal(context, model.name, event.asset, problem))
            continue
        names.add(event.asset)
        if reason:
            reasons.setdefault(event.asset, []).append(reason)
    by_name = assets_of(model, kind, context.home)
    if is_swept() and not partition_key():
        names |= {by_name[name] for name in missed_now(context, model, kind)}
        refused += [] if names else ["what the sweep has found was handled meanwhile"]
    elif names:
        for name, why in handled_before(context, model, kind).items():
            if by_name[name] in names:
                names.discard(by_name[name])
                refused.append(why)
    _add_requests(context, model, names, reasons, by_name.get("retrain_request", ""))
    joined = {name: "; ".join(dict.fromkeys(each)) for name, each in reasons.items()}
    return TriggeringEvents(frozenset(names), joined, tuple(dict.fromkeys(refused)))


def _add_requests(
    context: "RunContext", model: Declared, names: set[str], reasons: dict[str, list[str]], asset: str
) -> None:
    """Whatever triggered a training: it answers all requests that wait for an answer, each with its reasons."""
    scheduled = str(get_current_context()["dag_run"].run_type.value) == "scheduled"
    if asset and (names or scheduled) and (pending := pending_requests(context.journal, model, context.run)):
        names.add(asset)
        reasons[asset] = [reason for one in pending for reason in one.reasons]


def _examine(context: "RunContext", model: Declared, event: AssetEvent) -> tuple[str, str]:
    """The reason that an event stands for, or why it does not count; most events have neither."""
    journal = context.journal
    declared = {
        assets.trigger(model, name).name: name for name, of in model.triggers.items() if isinstance(of, EventTrigger)
    }
    if event.asset == assets.retrain_request(model).name:
        reason = "; ".join(retrain_reasons(journal, model, event, context.run))
        return (
            reason,
            "" if reason else f"no record of monitor_{model.name} asks for a retrain that is not answered yet",
        )
    if isinstance(model, Model) and event.asset == assets.change(model).name:
        return why_not_changed(model, context.registry)
    if event.asset in declared:
        return "", why_not_accepted(journal, model, declared[event.asset], event)
    if event.asset == assets.window(model).name:
        return "", why_not_closed(journal, model, partition_key() or "")
    return "", ""


def _events(model: Declared) -> list[AssetEvent]:
    context = get_current_context()
    found = [
        AssetEvent(
            event.asset.name,
            RunRef(event.source_dag_id, event.source_run_id) if event.source_dag_id and event.source_run_id else None,
            event.extra or {},
        )
        for group in context["triggering_asset_events"].values()
        for event in group
    ]
    for_window = partition_key() and (str(context["dag_run"].run_type.value) == "asset_triggered" or is_swept())
    return found or ([AssetEvent(assets.window(model).name, None)] if for_window else [])
