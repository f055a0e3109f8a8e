"""What a pipeline's run has handled: remembered when its work has ended well, so that a sweep can find what was not."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.triggers import EventTrigger, ScheduleTrigger
from almanac_airflow.runs import current_run, now, partition_key

if TYPE_CHECKING:
    from almanac.journal.journal import Journal
    from almanac.journal.records import WindowRecord


@contextmanager
def handling(model: Model, home: Home, kind: str, *names: str, whole: bool = True) -> Iterator[None]:
    """Remember, when the work in the block has ended well, the states that it was about; also when it is skipped.

    They are read before the work begins: what comes meanwhile is not counted as handled. A run for a window has
    handled that window, as the journal knew it before.

    Args:
        model: whose pipeline.
        home: where everything is.
        kind: of the DAG.
        names: those of the rule that this task is about; none: all.
        whole: False: a person has chosen a part of the work, so that nothing of it counts as handled.
    """
    from almanac.events.handled import record_handled, record_window_handled
    from almanac.journal.journal import Journal

    if not whole:
        yield
        return
    journal, key = Journal(home.journal_url), partition_key()
    window = _window(model, journal, key) if key else None
    found = {} if key else _states(model, home, kind, names)
    skipped: AirflowSkipException | None = None
    try:
        yield
    except AirflowSkipException as error:
        skipped = error
    if window is not None:
        record_window_handled(journal, model, kind, window, run=current_run(), now=now())
    record_handled(journal, model, kind, found, run=current_run(), now=now())
    if skipped is not None:
        raise skipped


def missed_now(model: Model, home: Home, kind: str) -> frozenset[str]:
    """The names of a DAG's rule whose states are still not handled; empty while the rule is not fulfilled by them."""
    from almanac.events.handled import find_missed, waiting_dag
    from almanac.events.states import States
    from almanac.journal.journal import Journal
    from almanac.registry.store import Registry

    journal, waiting = Journal(home.journal_url), waiting_dag(model, kind)
    if waiting is None:
        return frozenset()
    return frozenset(find_missed(model, waiting, States(home, journal, Registry.of(home), now()), journal))


def handled_before(model: Model, home: Home, kind: str, *names: str) -> dict[str, str]:
    """The names of a DAG's rule whose states another run has handled as they are now, and which run that was.

    Not clocks and posted events: of these each time counts, and the event comes a little later than the state.

    Args:
        model: whose pipeline.
        home: where everything is.
        kind: of the DAG.
        names: those that are asked about; none: all.
    """
    from almanac.events.handled import handled
    from almanac.journal.journal import Journal
    from almanac.journal.questions import same_run

    marks, run = handled(Journal(home.journal_url), model, kind), current_run()
    found = _states(model, home, kind, names) if marks else {}
    found = {name: value for name, value in found.items()
             if not isinstance(model.triggers.get(name), ScheduleTrigger | EventTrigger)}  # fmt: skip
    same = {name: marks[name] for name, value in found.items() if name in marks and marks[name].value == value}
    return {name: f"{mark.run.run_id} has handled {name}: {mark.value}" for name, mark in same.items()
            if not same_run(mark.run, run)}  # fmt: skip


def _states(model: Model, home: Home, kind: str, names: Collection[str]) -> dict[str, str]:
    """Only those that are asked about are read: that one is damaged does not stop what is not about it."""
    from almanac.events.handled import read_states, waiting_dag
    from almanac.events.states import States
    from almanac.journal.journal import Journal
    from almanac.registry.store import Registry

    waiting = waiting_dag(model, kind)
    if waiting is None:
        return {}
    return read_states(model, waiting, States(home, Journal(home.journal_url), Registry.of(home), now()), names)


def _window(model: Model, journal: "Journal", key: str) -> "WindowRecord | None":
    from almanac.windows.closing import window_of_run

    window = window_of_run(model, key)
    of_start = (one for one in journal.windows(model.name) if one.window_start == window.start)
    return next((one for one in of_start if one.window_end == window.end), None)
