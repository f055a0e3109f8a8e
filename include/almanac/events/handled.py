"""What each pipeline has handled, and what it should have handled and did not.

A pipeline remembers, when its work has ended well, the states that it was about (`almanac.events.states`). It has
missed something when states have changed since, so that its rule is fulfilled: the same question as Airflow's "since
the last run", asked of what is there and not of the events that said so.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from almanac.config.grammar.rules import Rule, holds, names, parse_rule
from almanac.config.schema import Declared, Model
from almanac.config.sections.pipelines import rule_of, window_of_model
from almanac.config.sections.triggers import ScheduleTrigger, WindowTrigger
from almanac.events.states import NOTHING, States
from almanac.journal.journal import Journal
from almanac.journal.records import Watermark, WindowRecord, WindowState
from almanac.registry.run_context import RunContext

# What is handled by an answer of its own, whichever run gives it; see `requests` and `claims.shadow_verdict`. Of files
# it is their record: while one has none, ingest has work to do, whatever a run has looked at before.
_ANSWERED = frozenset({"retrain_request", "shadow", "arrival"})
_ANNOUNCED = frozenset({WindowState.DONE, WindowState.LATE})
_BEGUN = "(begun)"  # says that a DAG was looked at; no trigger is called so


@dataclass(frozen=True)
class WaitingDag:
    """A DAG of a model that events trigger, and its rule."""

    kind: str
    rule: Rule

    @property
    def names(self) -> tuple[str, ...]:
        """Each name of the rule once."""
        return tuple(dict.fromkeys(names(self.rule)))


def waiting_dags(model: Declared) -> tuple[WaitingDag, ...]:
    """The DAGs of a model that wait for events and look at a state; `event_<model>` looks at posted events itself."""
    found = [WaitingDag(kind, rule) for kind in model.pipeline_kinds if (rule := rule_of(model, kind)) is not None]
    if isinstance(model, Model):
        found.append(WaitingDag("backup_model", parse_rule("challenger or champion")))
        if model.shadow is not None:
            found.append(WaitingDag("promote", parse_rule("shadow")))
    if model.backup.after_publication:
        own = "dataset or predictions" if model.is_owner else "predictions"
        found.append(WaitingDag("backup_data", parse_rule(own)))
    if window_of_model(model):
        found.append(WaitingDag("reopen", parse_rule("dataset")))
    return tuple(found)


def waiting_dag(model: Declared, kind: str) -> WaitingDag | None:
    """One of them; None when events do not trigger it."""
    return next((one for one in waiting_dags(model) if one.kind == kind), None)


def read_states(model: Declared, waiting: WaitingDag, states: States, chosen: Collection[str] = ()) -> dict[str, str]:
    """The states that a DAG's rule is about, or the chosen of them, as they are now; empty ones are left out."""
    asked = [name for name in waiting.names if not chosen or name in chosen]
    return {name: value for name in asked if (value := states.of(model, name)) != NOTHING}


def record_handled(context: RunContext, model: Declared, kind: str, found: Mapping[str, str]) -> None:
    """Remember the states that a DAG has handled: as they were before it began to look.

    Raises:
        TransientError: the journal is unreachable.
    """
    for name in sorted(found.keys() - _ANSWERED):
        mark = Watermark(model.name, f"{_mark_of(kind)}{name}", found[name], context.now, context.run)
        context.journal.record_watermark(mark)


def handled(journal: Journal, model: Declared, kind: str) -> dict[str, Watermark]:
    """What a DAG has handled last, by the names of its rule, and each window that it has handled."""
    return journal.watermarks(model.name, _mark_of(kind))


def find_missed(model: Declared, waiting: WaitingDag, states: States, journal: Journal) -> dict[str, str]:
    """The states that a DAG should have handled and did not; empty while its rule is not fulfilled by them.

    Raises:
        AlmanacError: a store, the registry or the journal is unreachable or damaged.
    """
    marks = handled(journal, model, waiting.kind)
    changed = {
        name: value
        for name, value in read_states(model, waiting, states).items()
        if name not in marks or marks[name].value != value
    }
    return changed if holds(waiting.rule, changed) else {}


def begin_marks(context: RunContext, model: Declared, waiting: WaitingDag, states: States, *, has_run: bool) -> None:
    """Give a DAG that has no marks yet those from which on it can miss something.

    One that has run before, by a release that kept no marks, has handled what is there. Of a new one only the clocks
    begin to count: a tick of before it existed is none that it has missed.

    Raises:
        AlmanacError: a store, the registry or the journal is unreachable or damaged.
    """
    found = read_states(model, waiting, states)
    if not has_run:
        found = {name: value for name, value in found.items() if isinstance(model.triggers.get(name), ScheduleTrigger)}
    record_handled(context, model, waiting.kind, {**found, _BEGUN: "yes"})
    for window in find_missed_windows(context.journal, model, waiting) if has_run else ():
        record_window_handled(context, model, waiting.kind, window)


def find_missed_windows(journal: Journal, model: Declared, waiting: WaitingDag) -> list[WindowRecord]:
    """The windows with rows that a DAG should have handled as they are now and did not, the oldest first.

    Raises:
        TransientError: the journal is unreachable.
    """
    if not any(isinstance(model.triggers.get(name), WindowTrigger) for name in waiting.names):
        return []
    marks = handled(journal, model, waiting.kind)
    announced = [one for one in journal.windows(model.name) if one.state in _ANNOUNCED and one.rows]
    return [one for one in announced if (mark := marks.get(_window(one))) is None or mark.value != one.content]


def windows_missed(journal: Journal, model: Declared) -> list[WindowRecord]:
    """The windows that any of the model's DAGs has missed.

    Raises:
        TransientError: the journal is unreachable.
    """
    return [one for waiting in waiting_dags(model) for one in find_missed_windows(journal, model, waiting)]


def record_window_handled(context: RunContext, model: Declared, kind: str, window: WindowRecord) -> None:
    """Remember that a DAG has handled a window as this record says it is.

    Raises:
        TransientError: the journal is unreachable.
    """
    mark = Watermark(model.name, f"{_mark_of(kind)}{_window(window)}", window.content, context.now, context.run)
    context.journal.record_watermark(mark)


def _mark_of(kind: str) -> str:
    return f"handled by {kind}: "


def _window(window: WindowRecord) -> str:
    return f"window {window.window_start.isoformat()}"  # with a space: no trigger is called so
