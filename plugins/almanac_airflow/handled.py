"""What a pipeline's run has handled: remembered when its work has ended well, so that a sweep can find what was not."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Declared
from almanac.config.sections.triggers import EventTrigger, ScheduleTrigger
from almanac_airflow.runs import partition_key

if TYPE_CHECKING:
    from almanac.journal.records import WindowRecord
    from almanac.registry.run_context import RunContext


@contextmanager
def handling(context: "RunContext", model: Declared, kind: str, *names: str, whole: bool = True) -> Iterator[None]:
    """Remember, when the work in the block has ended well, the states that it was about; also when it is skipped.

    They are read before the work begins: what comes meanwhile does not count as handled. A run for a window has handled
    that window, as the journal knew it before.

    Args:
        context: of the running task.
        model: whose pipeline.
        kind: of the DAG.
        names: those of the rule that this task is about; none: all.
        whole: False: a person has chosen a part of the work, so that nothing of it counts as handled.
    """
    from almanac.events.handled import record_handled, record_window_handled

    if not whole:
        yield
        return
    key = partition_key()
    window = _window(context, model, key) if key else None
    found = {} if key else states_of(context, model, kind, names)
    skipped: AirflowSkipException | None = None
    try:
        yield
    except AirflowSkipException as error:
        skipped = error
    if window is not None:
        record_window_handled(context, model, kind, window)
    record_handled(context, model, kind, found)
    if skipped is not None:
        raise skipped


def missed_now(context: "RunContext", model: Declared, kind: str) -> frozenset[str]:
    """The names of a DAG's rule whose states are still not handled; empty while they do not satisfy the rule."""
    from almanac.events.handled import find_missed, waiting_dag
    from almanac.events.states import States

    waiting = waiting_dag(model, kind)
    if waiting is None:
        return frozenset()
    return frozenset(find_missed(model, waiting, States(context), context.journal))


def handled_before(context: "RunContext", model: Declared, kind: str, *names: str) -> dict[str, str]:
    """The names of a DAG's rule whose states another run has handled as they are now, and which run that was.

    Not schedules and posted events: of these each time counts, and the event comes a little later than the state.

    Args:
        context: of the running task.
        model: whose pipeline.
        kind: of the DAG.
        names: those that are asked about; none: all.
    """
    from almanac.events.handled import handled
    from almanac.journal.questions import same_run

    marks = handled(context.journal, model, kind)
    found = states_of(context, model, kind, names) if marks else {}
    found = {
        name: value
        for name, value in found.items()
        if not isinstance(model.triggers.get(name), ScheduleTrigger | EventTrigger)
    }
    same = {name: marks[name] for name, value in found.items() if name in marks and marks[name].value == value}
    return {
        name: f"{mark.run.run_id} has handled {name}: {mark.value}"
        for name, mark in same.items()
        if not same_run(mark.run, context.run)
    }


def states_of(context: "RunContext", model: Declared, kind: str, names: Collection[str] = ()) -> dict[str, str]:
    """The states of a DAG's rule as they are now, by name.

    Only those that are asked about are read: a damaged state does not stop what is not about it.
    """
    from almanac.events.handled import read_states, waiting_dag
    from almanac.events.states import States

    waiting = waiting_dag(model, kind)
    return {} if waiting is None else read_states(model, waiting, States(context), names)


def _window(context: "RunContext", model: Declared, key: str) -> "WindowRecord | None":
    from almanac.windows.closing import window_of_run

    window = window_of_run(model, key)
    known = context.journal.windows(model.name, since=window.start, until=window.end)
    of_start = (one for one in known if one.window_start == window.start)
    return next((one for one in of_start if one.window_end == window.end), None)
