"""When the day's high comes, and whether all times of a batch are off by one offset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# Amplitudes of the day in deviations, 1.4 for a pure rhythm. Below the first a column's phase alone is too noisy to be
# told; below the second it is no evidence beside that of other columns either.
MIN_ALONE, _MIN_TOGETHER = 0.9, 0.6
_MIN_DAYS, _MIN_HOURS = 10, 8
_AGREEING = 2  # columns
_APART = 0.75  # hours that columns which agree may lie from their mean


@dataclass(frozen=True)
class Offset:
    """How far a column's day has moved.

    Attributes:
        hours: later than usual, from -12 to 12.
        amplitude: the smaller one of now and then, in deviations.
    """

    hours: float
    amplitude: float


def offset(batch: "pl.DataFrame", usual: "pl.DataFrame") -> Offset | None:
    """How far the day's first harmonic has moved; None where the batch or the reference shows no days.

    Args:
        batch: `time` and `value`.
        usual: the same of the reference.
    """
    now, before = _day(batch), _day(usual)
    if now is None or before is None:
        return None
    return Offset(_turned(now[0] - before[0]), min(now[1], before[1]))


def common_offset(offsets: Mapping[str, Offset], limit: timedelta) -> tuple[float, Sequence[str]] | None:
    """The offset in hours that several columns agree on, with their names; None where it is within the limit.

    A lost offset moves all columns alike. What moves one column alone, as clouds in the morning do, moves the others
    otherwise or not at all.
    """
    known = {name: one.hours for name, one in offsets.items() if one.amplitude >= _MIN_TOGETHER}
    best: tuple[float, Sequence[str]] | None = None
    for centre in known.values():
        near = [name for name, hours in known.items() if abs(_turned(hours - centre)) <= _APART]
        mean = _turned(centre + sum(_turned(known[name] - centre) for name in near) / len(near))
        if (
            len(near) >= _AGREEING
            and abs(mean) > limit / timedelta(hours=1)
            and (best is None or len(near) > len(best[1]))
        ):
            best = mean, near
    return best


def _turned(hours: float) -> float:
    """The same on a clock of a day, from -12 to 12."""
    return (hours + 12) % 24 - 12


def _day(rows: "pl.DataFrame") -> tuple[float, float] | None:
    """The hour (UTC) of the peak of the day's first harmonic and its amplitude in deviations."""
    import numpy as np
    import polars as pl

    # each day about its own mean: a front that passes in three days is no rhythm
    value = pl.col("value") - pl.col("value").mean().over(pl.col("time").dt.date())
    hour = pl.col("time").dt.hour() + pl.col("time").dt.minute() / 60
    days = rows["time"].dt.date().n_unique()
    points = rows.select(value=value, hour=hour)
    deviation = float(np.std(points["value"].to_numpy()))
    if days < _MIN_DAYS or deviation == 0.0 or points["hour"].n_unique() < _MIN_HOURS:
        return None
    by_hour = points.group_by("hour").agg(pl.col("value").mean())
    turn = np.exp(2j * np.pi * by_hour["hour"].to_numpy() / 24)
    harmonic = 2 * np.mean(by_hour["value"].to_numpy() * turn)
    return float(np.angle(harmonic) / (2 * np.pi) * 24 % 24), float(abs(harmonic)) / deviation
