"""What a window is when it closes, what makes it late, and what it waits for."""

import shutil
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almanac.data.table.dataset_snapshot import DatasetSnapshot
from almanac.errors import ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, Watermark, WindowState
from almanac.windows.closing import close_window, fail_window, months_of, reopen_windows, start_window, window_of_run
from almanac.windows.overview import GAP, overview, to_do_ranges
from almanac.windows.window import Window
from tests.data.installation import NOW, START, Site, tiny_csv
from tests.windows.conftest import declare

RUN = RunRef("window_tides", "manual__1")
SIX_HOURS = timedelta(hours=6)


def window(number: int) -> Window:
    return Window(START + number * SIX_HOURS, START + (number + 1) * SIX_HOURS)


def close(site: Site, number: int) -> WindowState:
    return close_window(site.model, site.home, site.journal, window(number), run=RUN, now=NOW).state


def land(site: Site, name: str, hours: range) -> None:
    site.land(name, tiny_csv((hour, 1.5, "a") for hour in hours))
    site.ingest()


def test_close_window_counts_rows_and_missing_steps(site: Site) -> None:
    land(site, "a.csv", range(9))
    assert close(site, 0) is WindowState.DONE
    assert close(site, 1) is WindowState.DONE
    first, second = site.journal.windows("tides")
    assert (first.rows, first.missing_steps, first.dataset_version) == (6, 0, 0)
    assert (second.rows, second.missing_steps) == (3, 3)


def test_close_window_without_rows_or_without_dataset_is_empty(site: Site) -> None:
    assert close(site, 0) is WindowState.EMPTY
    land(site, "a.csv", range(6))
    assert close(site, 5) is WindowState.EMPTY


def test_close_window_run_again_keeps_one_record(site: Site) -> None:
    land(site, "a.csv", range(6))
    close(site, 0)
    close(site, 0)
    assert len(site.journal.windows("tides")) == 1


def test_reopen_windows_late_rows_make_late_once(site: Site) -> None:
    land(site, "a.csv", range(9))
    for number in range(3):
        close(site, number)
    land(site, "b.csv", range(9, 14))
    late = reopen_windows(site.model, site.home, site.journal, run=RUN, now=NOW)
    assert [(each.window_start, each.rows, each.reason) for each in late] == [
        (window(1).start, 6, "6 rows, before 3"),
        (window(2).start, 2, "2 rows, before 0"),
    ]
    assert [each.state for each in site.journal.windows("tides")] == ["done", "late", "late"]
    assert reopen_windows(site.model, site.home, site.journal, run=RUN, now=NOW) == []
    assert close(site, 1) is WindowState.DONE


def test_reopen_windows_nothing_changed_is_none(site: Site) -> None:
    assert reopen_windows(site.model, site.home, site.journal, run=RUN, now=NOW) == []
    land(site, "a.csv", range(6))
    close(site, 0)
    land(site, "b.csv", range(6, 9))
    assert reopen_windows(site.model, site.home, site.journal, run=RUN, now=NOW) == []


def test_reopen_windows_looks_only_at_months_that_have_changed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second look, however much lies in the dataset, costs what came since the first."""
    land(site, "january.csv", range(3))
    close(site, 0)
    later = NOW + timedelta(days=9)
    assert reopen_windows(site.model, site.home, site.journal, run=RUN, now=later) == []
    read: list[tuple[str, ...]] = []
    rows = DatasetSnapshot.rows

    def spied(self: DatasetSnapshot, columns: list[str], **bounds: Any) -> Any:
        read.append(tuple(bounds["months"]))
        return rows(self, columns, **bounds)

    monkeypatch.setattr(DatasetSnapshot, "rows", spied)
    land(site, "march.csv", range(24 * 60, 24 * 60 + 6))
    march = 4 * 60
    close(site, march)
    later += timedelta(days=9)
    read.clear()
    assert reopen_windows(site.model, site.home, site.journal, run=RUN, now=later) == []
    assert read == [("2021-03",)]
    land(site, "late.csv", range(3, 9))
    (late,) = reopen_windows(site.model, site.home, site.journal, run=RUN, now=later + timedelta(days=9))
    assert (late.window_start, late.rows) == (window(0).start, 6)
    assert read[1:] == [("2021-01",)]


def test_reopen_windows_forgets_its_mark_when_the_dataset_was_begun_again(site: Site) -> None:
    land(site, "a.csv", range(6))
    close(site, 0)
    for name in ("b.csv", "c.csv"):
        land(site, name, range(100 + len(name), 106))
    later = NOW + timedelta(days=9)
    reopen_windows(site.model, site.home, site.journal, run=RUN, now=later)
    shutil.rmtree(site.dataset.uri)
    site.journal = Journal(f"sqlite:///{site.home.home}/other.db")
    close(site, 0)
    assert site.journal.windows("tides")[0].state is WindowState.EMPTY
    site.journal.record_watermark(Watermark("tides", "windows", "7", later, RUN))
    land(site, "again.csv", range(5))  # and what still lies in the landing area
    (late,) = reopen_windows(site.model, site.home, site.journal, run=RUN, now=later + timedelta(days=9))
    assert late.rows == 6


@pytest.mark.parametrize(
    ("start", "end", "months"),
    [
        ("2021-01-31T23:00", "2021-02-01T00:00", {"2021-01"}),
        ("2021-01-31T23:00", "2021-02-01T00:01", {"2021-01", "2021-02"}),
        ("2020-12-30T06:00", "2021-03-01T00:00", {"2020-12", "2021-01", "2021-02"}),
    ],
)
def test_months_of_a_window(start: str, end: str, months: set[str]) -> None:
    window = Window(datetime.fromisoformat(start).replace(tzinfo=UTC), datetime.fromisoformat(end).replace(tzinfo=UTC))
    assert months_of(window) == months


def test_start_window_waits_for_the_other_model_s_windows_of_the_same_time(site: Site) -> None:
    site.model = declare(site.home.models, "tides", {"depends_on": ["ships"]})
    declare(site.home.models, "ships", {"size": "3h"})
    waits_for = start_window(site.model, site.home, site.journal, window(0), run=RUN, now=NOW)
    assert waits_for == (
        "ships 2021-01-01 00:00 to 2021-01-01 03:00 UTC",
        "ships 2021-01-01 03:00 to 2021-01-01 06:00 UTC",
    )
    assert site.journal.windows("tides")[0].state is WindowState.WAITING
    ships = site.model.model_copy(update={"name": "ships"})
    for half in (Window(START, START + SIX_HOURS / 2), Window(START + SIX_HOURS / 2, START + SIX_HOURS)):
        close_window(ships, site.home, site.journal, half, run=RUN, now=NOW)
    assert start_window(site.model, site.home, site.journal, window(0), run=RUN, now=NOW) == ()
    assert site.journal.windows("tides")[0].state is WindowState.RUNNING


@pytest.mark.parametrize("key", [None, "", "2021-01-01T01:00:00"])
def test_window_of_run_without_its_window_is_refused(site: Site, key: str | None) -> None:
    with pytest.raises(ConfigError, match="partition key"):
        window_of_run(site.model, key)


def test_overview_shows_gaps_and_the_ranges_to_run_again(site: Site) -> None:
    land(site, "a.csv", range(12))
    close(site, 0)
    close(site, 3)
    fail_window(site.journal, "tides", window(4), reason="close: the store is away", run=RUN, now=NOW)
    trigger = site.model.triggers["six_hours"]
    rows = overview(trigger, site.journal.windows("tides"), now=START + 6 * SIX_HOURS)  # type: ignore[arg-type]
    assert [row.state for row in rows] == ["done", GAP, GAP, "empty", "failed", GAP]
    assert rows[4].note == "close: the store is away"
    assert to_do_ranges(rows) == [(window(1), window(2)), (window(4), window(5))]
