"""How a column's times are written is found among a thousand ways, of which few are tried."""

from datetime import datetime

import polars as pl
import pytest

from almanac.draft import times

AT = datetime(2023, 11, 25, 21, 42, 53)  # noqa: DTZ001 - a clock as a file shows it


@pytest.mark.parametrize("day", times._DAYS)
def test_formats_of_each_way_to_write_a_day_are_found(day: str) -> None:
    for clock in (" %H:%M:%S", " %I:%M %p%z"):
        form = f"{day}{clock}"
        cell = AT.astimezone().strftime(form)
        found = times._formats(pl.Series([cell]), ["Time"], named=True)
        assert found == ["iso"] if day == "%Y-%m-%d" else form in found


def test_formats_try_only_clocks_of_days_with_which_the_cell_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = set()
    monkeypatch.setattr(times, "_fits", lambda cell, form, fits=times._fits: tried.add(form) or fits(cell, form))
    assert times._formats(pl.Series(["25.11.2023 21:42"]), ["Time"], named=True) == ["%d.%m.%Y %H:%M"]
    assert len(tried) < 200  # of more than a thousand
    tried.clear()
    assert times._formats(pl.Series(["2023-11-25T21:42:53Z"]), ["Time"], named=True) == ["iso"]
    assert tried == set()
