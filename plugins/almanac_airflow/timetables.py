"""The two timetables that Airflow lacks: declared schedules, and tumbling windows as partitions."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pendulum
from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from airflow.utils.types import DagRunType

from almanac.config.grammar.ticks import latest_of, next_of
from almanac.config.sections.triggers import ScheduleTrigger, WindowTrigger
from almanac.errors import ConfigError
from almanac.windows.tumbling import closed_windows, closes_at, key_of, next_window, window_of_key
from almanac.windows.window import Window


class DeclaredSchedule(Timetable):
    """Ticks whenever one of the declared schedules does; after an outage once, not for every missed tick."""

    def __init__(self, schedules: Sequence[ScheduleTrigger]) -> None:
        self.schedules = tuple(schedules)
        self.description = "; ".join(schedule.words() for schedule in self.schedules)
        self._timings = [schedule.timing() for schedule in self.schedules]

    @property
    def summary(self) -> str:
        """What lists of DAGs show."""
        return ", ".join(pace for each in self.schedules for pace in (each.cron or (f"every {each.every}",)))

    def serialize(self) -> dict[str, Any]:
        """Keep what was declared."""
        return {"schedules": [schedule.model_dump(mode="json") for schedule in self.schedules]}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "DeclaredSchedule":
        """Make it again."""
        return cls([ScheduleTrigger.model_validate(each) for each in data["schedules"]])

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A run by hand is about its own moment."""
        return DataInterval.exact(run_after)

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """A new DAG waits for its next tick; one that was stopped runs once for the last tick it missed."""
        now = _now()
        if last_automated_data_interval is None:
            tick = next_of(self._timings, now)
        else:
            last = _plain(last_automated_data_interval.end)
            tick = latest_of(self._timings, last, now) or next_of(self._timings, max(last, now))
        if tick is None or (restriction.latest is not None and tick > restriction.latest):
            return None
        return DagRunInfo.exact(pendulum.instance(tick))


class TumblingWindows(Timetable):
    """One run for each window, when it closes; its partition key is the window's start."""

    partitioned = True

    def __init__(self, trigger: WindowTrigger) -> None:
        self.trigger = trigger
        self.description = f"Each time {trigger.words()}, from {trigger.start}"

    @property
    def summary(self) -> str:
        """What lists of DAGs show."""
        return f"window {self.trigger.model_dump(mode='json')['size']}"

    def serialize(self) -> dict[str, Any]:
        """Keep what was declared."""
        return {"trigger": self.trigger.model_dump(mode="json")}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> "TumblingWindows":
        """Make it again."""
        return cls(WindowTrigger.model_validate(data["trigger"]))

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """A run by hand names its window as partition key."""
        return DataInterval.exact(run_after)

    def next_dagrun_info_v2(
        self, *, last_dagrun_info: DagRunInfo | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The window after the newest that has run; windows follow one another without a gap."""
        date = last_dagrun_info.partition_date if last_dagrun_info else None
        last = None if date is None else _plain(date)
        window = next_window(self.trigger, last=last, now=_now())
        return None if window is None else self._info(window)

    def iter_partition_dagrun_infos(self, *, earliest: datetime, latest: datetime) -> Iterator[DagRunInfo]:
        """The windows of a backfill: those that begin in the range and have closed."""
        for window in closed_windows(self.trigger, _plain(earliest), _plain(latest), now=_now()):
            yield self._info(window)

    def generate_run_id(
        self,
        *,
        run_type: DagRunType,
        run_after: pendulum.DateTime,
        data_interval: DataInterval | None,
        **extra: Any,
    ) -> str:
        """Name the window first; the moment tells runs of one window apart."""
        key = extra.get("partition_key") or "no_window"
        return run_type.generate_run_id(suffix=f"{key}__{_now():%Y%m%dT%H%M%S.%f}")

    def _decode_partition_date(self, partition_key: str) -> datetime:
        try:
            return window_of_key(self.trigger, partition_key).start
        except ConfigError as error:
            raise InvalidPartitionKeyError(str(error)) from error

    def _info(self, window: Window) -> DagRunInfo:
        return DagRunInfo(
            run_after=pendulum.instance(closes_at(self.trigger, window)),
            data_interval=None,
            partition_date=pendulum.instance(window.start),
            partition_key=key_of(window),
        )


def _now() -> datetime:
    """The scheduler calls timetables without a clock; tests put another one here."""
    return datetime.now(UTC)


def _plain(time: datetime) -> datetime:
    """Airflow's times are pendulum's, whose subtraction gives intervals that are no timedelta."""
    return datetime.fromisoformat(time.isoformat()).astimezone(UTC)
