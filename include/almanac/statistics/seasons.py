"""Parts of the year: calendar months, or meteorological seasons, in UTC."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Split = Literal["none", "month", "season"]
WHOLE_YEAR = "year"
_SEASONS = ("winter", "spring", "summer", "autumn")  # winter: December to February


def part_names(split: Split) -> tuple[str, ...]:
    """All parts of the year, in order."""
    if split == "month":
        return tuple(f"{month:02d}" for month in range(1, 13))
    return _SEASONS if split == "season" else (WHOLE_YEAR,)


def part_numbers(times: "pl.Series", split: Split) -> "pl.Series":
    """The part of the year of each time, as its place in `part_names`.

    Args:
        times: UTC, [n].
        split: how the year is split.
    """
    import polars as pl

    months = times.dt.month().cast(pl.Int64)
    if split == "month":
        return months - 1
    return (months % 12) // 3 if split == "season" else months * 0


def by_season(weights: Mapping[str, float]) -> dict[str, float]:
    """Months put together to seasons; other parts as they are."""
    together: dict[str, float] = {}
    for part, weight in weights.items():
        season = _SEASONS[int(part) % 12 // 3] if part.isdigit() else part
        together[season] = together.get(season, 0.0) + weight
    return together
