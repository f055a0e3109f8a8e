"""When the pipelines of a model run next."""

from dataclasses import dataclass
from datetime import datetime

from almanac.config.grammar.rules import names
from almanac.config.grammar.ticks import next_tick
from almanac.config.schema import Declared
from almanac.config.sections.pipelines import rule_of, schedule_named, words
from almanac.config.sections.triggers import ScheduleTrigger

_MOST_KNOWN = 4096


@dataclass(frozen=True)
class PlannedRun:
    """When a pipeline runs next.

    Attributes:
        pipeline: ingest, train, ...
        at: of the next tick, aware; None: nothing but events and people start it.
        zone: of the schedule that ticks; empty without one.
        when: the whole rule in words.
        ready_by: the time of each day by which its run is to have ended; empty: none is declared.
    """

    pipeline: str
    at: datetime | None
    zone: str
    when: str
    ready_by: str = ""


class _Ticks:
    """Next ticks that are known until they have passed: to find one takes a millisecond, and a page shows hundreds."""

    def __init__(self) -> None:
        self._known: dict[ScheduleTrigger, tuple[datetime, datetime | None]] = {}

    def after(self, schedule: ScheduleTrigger, now: datetime) -> datetime | None:
        known = self._known.get(schedule)
        if known is not None and known[0] <= now and (known[1] is None or now < known[1]):
            return known[1]
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        tick = next_tick(schedule.timing(), now)
        self._known[schedule] = (now, tick)
        return tick


_TICKS = _Ticks()


def planned_runs(model: Declared, now: datetime) -> tuple[PlannedRun, ...]:
    """The next run of each pipeline, as far as schedules say."""
    found = []
    for kind in model.pipeline_kinds:
        rule = rule_of(model, kind)
        schedules = [schedule_named(model, kind, name) for name in names(rule)] if rule else []
        due = [(tick, one.timezone) for one in schedules if one and (tick := _TICKS.after(one, now)) is not None]
        at, zone = min(due, default=(None, ""))
        ready_by = model.pipelines[kind].ready_by if kind in model.pipelines else None
        found.append(PlannedRun(kind, at, zone, words(model, kind), ready_by or ""))
    return tuple(found)
