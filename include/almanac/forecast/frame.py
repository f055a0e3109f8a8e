"""Whether the rows of a grain are a series that can be forecast; each fault is a reason that a person can read."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import ForecastModel

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from almanac.forecast.panel import Array

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class FrameRules:
    """What each grain is held to.

    Attributes:
        step_us: the distance of neighbouring rows, in microseconds.
        needed: how many steps a series must have.
        newest_us: the newest time of all grains that does not lie in the future; microseconds since 1970 in UTC.
        now_us: a time after it lies in the future.
    """

    step_us: int
    needed: int
    newest_us: int
    now_us: int

    @classmethod
    def of(cls, model: ForecastModel, newest: datetime, limit: datetime) -> "FrameRules":
        """Those of a declaration."""
        step = model.dataset.step // _MICROSECOND
        return cls(step, model.forecast.needed_steps, microseconds(newest), microseconds(limit))


def problems_of(times: "npt.NDArray[np.int64]", values: "Array", rules: FrameRules) -> list[str]:
    """Why a grain is set aside: `kind: detail`; empty: it is good.

    Args:
        times: of its rows in their order, microseconds since 1970 in UTC.
        values: of the target; NaN: empty.
        rules: see there.
    """
    return [*_problems_of_times(times, rules), *_problems_of_values(times, values, rules)]


def _problems_of_times(times: "npt.NDArray[np.int64]", rules: FrameRules) -> Iterator[str]:
    import numpy as np

    steps = np.diff(times)
    if (ahead := times > rules.now_us).any():
        yield f"future: {int(ahead.sum())} rows lie in the future, the first at {shown(times[ahead][0])}"
    if len(times) and times.max() < rules.newest_us:
        yield f"ended: its newest row is of {shown(times.max())}, those of other grains of {shown(rules.newest_us)}"
    if (steps < 0).any():
        yield f"order: a row is older than the row before it, at {shown(times[1:][steps < 0][0])}"
        return  # the distances of such rows say nothing more
    if (twice := times[1:][steps == 0]).size:
        yield f"duplicates: {twice.size} times stand there twice, the first is {shown(twice[0])}"
    if (odd := times[1:][steps % rules.step_us != 0]).size:
        yield f"grid: a row is no whole number of steps after the row before it, at {shown(odd[0])}"
    elif (steps > rules.step_us).any():
        missing = int((steps // rules.step_us - 1).clip(min=0).sum())
        yield f"gaps: {missing} steps are missing, the first after {shown(times[:-1][steps > rules.step_us][0])}"


def _problems_of_values(times: "npt.NDArray[np.int64]", values: "Array", rules: FrameRules) -> Iterator[str]:
    import numpy as np

    if (empty := ~np.isfinite(values)).any():
        yield f"empty: {int(empty.sum())} rows have no value, the first at {shown(times[empty][0])}"
    if len(values) < rules.needed:
        yield f"short: got {len(values)} steps, expected at least {rules.needed} for a season and the backtests"
    if len(values) and not values.any():
        yield "zero: all values are 0"
    elif len(values) > 1 and (values == values[0]).all():
        yield f"constant: all values are {values[0]:g}"


def frame_problems(model: ForecastModel, grains: int, aside: Mapping[str, str]) -> list[str]:
    """Why nothing is forecast at all; empty: the frame is good enough.

    Args:
        model: declares how many grains may be bad.
        grains: how many the frame has.
        aside: grain -> why it is set aside.
    """
    if not grains:
        return ["the dataset has no row that is not in the future"]
    share = len(aside) / grains
    if share < 1 and share <= model.forecast.max_set_aside:
        return []
    kinds = Counter(reason.partition(":")[0] for reasons in aside.values() for reason in reasons.split("; "))
    counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    name, why = next(iter(sorted(aside.items())))
    most = f"expected at most a share of {model.forecast.max_set_aside:g} (forecast.max_set_aside)"
    return [f"{len(aside)} of {grains} grains cannot be forecast ({counted}), such as {name}: {why}; {most}"]


def microseconds(time: datetime) -> int:
    """Since 1970 in UTC."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def shown(us: "np.int64 | int") -> str:
    """A time in microseconds since 1970, for people."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + int(us) * _MICROSECOND).strftime("%Y-%m-%d %H:%M")
