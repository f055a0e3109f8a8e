"""How two versions of a forecast differ for the same dates: by step, day, week and month, and why grains moved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.forecast.results import GRAIN, KEY, ORIGIN

if TYPE_CHECKING:
    import polars as pl

_PERIODS = (("day", "1d", timedelta(days=1)), ("week", "1w", timedelta(days=7)), ("month", "1mo", timedelta(days=28)))


@dataclass(frozen=True)
class MovedGrain:
    """One grain whose forecast has changed, over the dates that both versions have.

    Attributes:
        before, after: the sums.
        why: other candidate, other parameters or new data.
    """

    grain: str
    before: float
    after: float
    why: str

    @property
    def change(self) -> float:
        """In the unit of the target."""
        return self.after - self.before

    @property
    def share(self) -> float | None:
        """Of the sum before; None: that is 0."""
        return self.change / abs(self.before) if self.before else None


def shared_rows(ours: "pl.DataFrame", theirs: "pl.DataFrame") -> "pl.DataFrame":
    """The grains and times that both versions forecast: `grain`, `time`, `step`, `before` and `after`."""
    earlier = theirs.select(GRAIN, "time", before="forecast")
    both = ours.select(GRAIN, "time", "step", after="forecast").join(earlier, on=[GRAIN, "time"])
    return both.sort("time", GRAIN)


def by_period(shared: "pl.DataFrame", step: timedelta) -> "dict[str, pl.DataFrame]":
    """Totals over all grains by step, and by each period that is longer than a step.

    Each has `period`, `before`, `after`, `change`, `moved` (the sum over grains of absolute changes: what totals hide)
    and `steps`, which is less than a whole period's where the forecast begins or ends within it.
    """
    import polars as pl

    found = {"step": _totals(shared.with_columns(period="time"))}
    for name, every, length in _PERIODS:
        if step < length:
            start = pl.col("time").dt.truncate(every).alias("period")
            found[name] = _totals(shared.with_columns(start))
    return found


def _totals(rows: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    change = pl.col("after") - pl.col("before")
    return (
        rows.group_by("period")
        .agg(
            before=pl.col("before").sum(),
            after=pl.col("after").sum(),
            change=change.sum(),
            moved=change.abs().sum(),
            steps=pl.col("time").n_unique(),
        )
        .sort("period")
    )


def moved_grains(shared: "pl.DataFrame", ours: "pl.DataFrame", theirs: "pl.DataFrame", most: int) -> list[MovedGrain]:
    """The grains that moved most, by the sum of absolute changes, with the reason.

    Args:
        shared: of `shared_rows`.
        ours: the results of the version.
        theirs: those of the version before.
        most: how many.
    """
    import polars as pl

    change = (pl.col("after") - pl.col("before")).abs().sum()
    ranked = (
        shared.group_by(GRAIN)
        .agg(pl.col("before").sum(), pl.col("after").sum(), size=change)
        .filter(pl.col("size") > 0)
        .sort("size", GRAIN, descending=[True, False])
        .head(most)
    )
    chosen = pl.col(GRAIN).is_in(ranked[GRAIN].to_list())
    now = {row[GRAIN]: row for row in ours.filter(chosen).iter_rows(named=True)}
    then = {row[GRAIN]: row for row in theirs.filter(chosen).iter_rows(named=True)}
    return [
        MovedGrain(row[GRAIN], row["before"], row["after"], "; ".join(_reasons(then[row[GRAIN]], now[row[GRAIN]])))
        for row in ranked.iter_rows(named=True)
    ]


def _reasons(then: dict[str, object], now: dict[str, object]) -> Iterator[str]:
    if then["candidate"] != now["candidate"]:
        yield f"other candidate: {then['candidate']}, now {now['candidate']}"
    elif then["members"] != now["members"]:
        yield f"other members of the {now['candidate']}: {_listed(then)}, now {_listed(now)}"
    elif _parameters(then) != _parameters(now):
        yield "other parameters"
    if then[ORIGIN] != now[ORIGIN]:
        yield "new data"
    elif then[KEY] != now[KEY]:
        yield "changed rows, declaration or code"


def _listed(row: dict[str, object]) -> str:
    members = row["members"]
    return ", ".join(map(str, members)) if isinstance(members, list) else ""


def _parameters(row: dict[str, object]) -> object:
    return json.loads(str(row.get("parameters") or "{}"))
