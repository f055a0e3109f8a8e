"""What counts as wrong, at the limits; and what growth, idleness and slowness mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.ai_search import indexers
from almanac.ai_search.answers import IndexerStatus
from almanac.ai_search.findings import Rows, of_index, of_quotas
from almanac.ai_search.observation import DAYS, ObservedIndex, ObservedIndexer, ObservedService, with_figures
from almanac.ai_search.trend import trend_of
from almanac.config.search_services import SearchIndex, SearchIndexer, SearchService
from tests.servers.search import run

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
GROWING = list(range(10, 20))


def quota(values: list[int], limit: int | None) -> list[str]:
    """The severities of what is found, with a value for each of the last days."""
    days = {str((NOW - timedelta(days=back)).date()): value for back, value in enumerate(reversed(values))}
    observed = ObservedService("harbour", NOW, days={"storageSize": days})
    service = SearchService(connection="c")
    return [one.severity for one in of_quotas("harbour", service, observed, {"storageSize": limit}, NOW)]


@pytest.mark.parametrize(
    ("values", "limit", "expected"),
    [
        (GROWING, 33, ["warning"]),  # one more each day: 14 days
        (GROWING, 34, []),
        (GROWING, 19, ["critical"]),
        (GROWING, None, []),
        (GROWING[:4], 14, []),  # four days are no trend
        ([19, 18, 17, 16, 15, 14], 20, []),
        ([10, 12, 9, 11, 10, 12, 9], 13, []),  # up and down
        ([10, 16, 9, 15, 11, 17, 12], 16, []),  # its slope is above zero, and may be by chance
        ([*range(6, 12), 400, 13, 14, 15, 16, 0, 18, 19], 33, ["warning"]),  # two odd days of fourteen
        ([0, 0, 0], 0, []),  # a tier without vectors
        ([0, 0, 1], 0, ["critical"]),
    ],
)
def test_of_quotas_judges_by_a_robust_trend(values: list[int], limit: int | None, expected: list[str]) -> None:
    assert quota(values, limit) == expected


def test_of_quotas_looks_at_four_weeks_only() -> None:
    assert quota([*range(0, 4000, 100), *([4000] * 28)], 4100) == []


@given(
    slope=st.floats(0.5, 100), start=st.floats(0, 1000), odd=st.sets(st.integers(0, 19), max_size=3),
    jump=st.floats(-1e6, 1e6),
)  # fmt: skip
def test_trend_of_three_odd_points_in_twenty_do_not_move_a_line(
    slope: float, start: float, odd: set[int], jump: float
) -> None:
    found = trend_of(range(20), [start + slope * x + (jump if x in odd else 0) for x in range(20)])
    assert found is not None
    assert found.slope == pytest.approx(slope, rel=1e-6, abs=1e-6)
    assert found.grows


@pytest.mark.parametrize(
    ("documents", "expected"), [(89, 1), (90, 0), (100, 0), (110, 0), (111, 1), (None, 0)]
)  # fmt: skip
def test_of_index_documents_lie_between_the_rows_of_then_and_now(documents: int | None, expected: int) -> None:
    index, seen = SearchIndex(dataset="weather"), ObservedIndex(documents=documents)
    assert len(list(of_index("s", "ships", index, seen, Rows(110, 90)))) == expected
    assert len(list(of_index("s", "ships", index, seen, Rows(90, 110)))) == expected  # rows were replaced by fewer
    forgiving = SearchIndex(dataset="weather", tolerance=0.01)
    assert not list(of_index("s", "ships", forgiving, seen, Rows(110, 90)))


def status(runs: list[dict[str, Any]], **more: Any) -> IndexerStatus:
    given = {"status": "running", "lastResult": runs[0] if runs else None, "executionHistory": runs, **more}
    return IndexerStatus.model_validate(given)


def judged(runs: list[dict[str, Any]], *, max_age: str | None = None, limit: str = "PT2H") -> list[str]:
    declared = SearchIndexer.model_validate({"max_age": max_age})
    found = status(runs, limits={"maxRunTime": limit})
    seen = indexers.observe(found, declared, published_at=None, started=None)
    return [one.key.partition(" ")[2] for one in indexers.judge("s", "i", declared, found, seen, NOW)]


def daily(minutes: list[float], **more: Any) -> list[dict[str, Any]]:
    """One run a day, the newest first; the last one began an hour ago."""
    begun = NOW - timedelta(hours=1)
    return [run(begun - timedelta(days=back), one, **more) for back, one in enumerate(reversed(minutes))]


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], []),
        (daily([1.0]), []),
        (daily([1.0], status="transientFailure"), ["i failed"]),
        (daily([1.0], status="somethingNew"), ["i failed"]),
        (daily([1.0], status="reset"), []),
        (daily([1.0], failed=1), ["i left out"]),
        (daily([95.9]), []),
        (daily([96.0]), ["i time"]),
        (daily([1, 1, 1, 1, 1, 1, 1, 1]), []),
        (daily([1, 2, 3, 4, 5, 6, 7, 8]), ["i slower"]),
        (daily([1, 2, 3, 4, 5, 6, 7]), []),  # seven runs are too few
        (daily([20, 20.5, 21, 21.5, 22, 22.5, 23, 23.5]), []),  # slower, and not by half
        (daily([1, 9, 2, 8, 1, 9, 2, 8]), []),
        (daily([1] * 6, processed=0), ["i idle"]),
        (daily([1] * 5, processed=0), []),
        ([*daily([1] * 6, processed=0), *daily([1] * 8)[6:]], ["i idle"]),
        ([*daily([1] * 5, processed=0), *daily([1] * 7)[5:]], []),
        ([run(NOW - timedelta(minutes=97), status="inProgress"), *daily([1])[1:]], ["i time"]),
    ],
)
def test_judge_names_what_is_wrong_with_an_indexer(runs: list[dict[str, Any]], expected: list[str]) -> None:
    assert judged(runs) == expected


def test_judge_a_reset_hides_no_failure_and_the_last_result_is_the_newest_word() -> None:
    failed = run(NOW - timedelta(hours=1), status="persistentFailure")
    reset = run(NOW, 0.0, status="reset", processed=0)
    assert judged([reset, failed]) == ["i failed"]
    begun = run(NOW - timedelta(hours=1), status="inProgress")
    assert not status([begun], lastResult=run(NOW - timedelta(hours=1))).is_running
    assert status([begun]).is_running


def test_judge_names_an_indexer_that_has_not_succeeded_within_its_age() -> None:
    old = [run(NOW - timedelta(days=1, minutes=1), 0.0)]
    assert judged(old, max_age="1d") == ["i age"]
    assert judged([], max_age="1d") == ["i age"]
    assert judged([run(NOW - timedelta(days=1), 0.0)], max_age="1d") == []
    failed = [run(NOW, 0.0, status="persistentFailure"), *old]
    assert judged(failed, max_age="1d") == ["i failed", "i age"]


@pytest.mark.parametrize("limit", ["PT0S", "-PT2H"])
def test_judge_run_without_a_limit_of_the_service_has_none(limit: str) -> None:
    assert judged(daily([9000.0]), limit=limit) == []


INDEX = SearchIndex.model_validate(
    {"dataset": "weather", "indexers": {"aa": {"start": True}, "bb": {"start": True, "not_between": "06:00-20:00"}}}
)
DUE, DONE = ObservedIndexer(due=True, status="success"), ObservedIndexer(status="success")


@pytest.mark.parametrize(
    ("aa", "bb", "expected"),
    [
        (DUE, DUE, "aa"),
        (DONE, DONE, None),
        (DONE, DUE, None),  # at noon it must not start
        (ObservedIndexer(due=True, status="inProgress"), DONE, None),
        (DUE, ObservedIndexer(status="inProgress"), None),
        (DUE, ObservedIndexer("unknown"), None),
    ],
)
def test_next_start_is_one_that_is_due_while_none_runs(
    aa: ObservedIndexer, bb: ObservedIndexer, expected: str | None
) -> None:
    assert indexers.next_start(INDEX, {"aa": aa, "bb": bb}, {}, NOW) == expected


def test_next_start_waits_for_one_that_the_service_does_not_show_yet() -> None:
    started = {"aa": NOW - timedelta(minutes=9)}
    seen, evening = {"aa": DONE, "bb": DUE}, NOW.replace(hour=21)
    assert indexers.next_start(INDEX, seen, {"aa": evening - timedelta(minutes=9)}, evening) is None
    assert indexers.next_start(INDEX, seen, {"aa": evening - timedelta(minutes=10)}, evening) == "bb"
    shown = ObservedIndexer(status="success", started_at=started["aa"])
    assert indexers.next_start(INDEX, {"aa": shown, "bb": DUE}, started, evening) == "bb"


def test_observe_what_was_started_since_the_publication_is_not_due() -> None:
    declared, found = SearchIndexer(start=True), status([run(NOW - timedelta(hours=2))])
    hour = timedelta(hours=1)

    def due(published: timedelta | None, started: timedelta | None = None, *, start: bool = True) -> bool:
        at = {"published_at": published and NOW - published, "started": started and NOW - started}
        return indexers.observe(found, declared if start else SearchIndexer(), **at).due

    assert due(hour)
    assert not due(3 * hour)
    assert not due(None)
    assert not due(hour, hour / 2)
    assert not due(hour, start=False)


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("abc"), st.integers(0, 9)), max_size=60))
def test_with_figures_keeps_the_last_figure_of_each_of_ninety_days(found: list[tuple[int, str, int]]) -> None:
    kept: dict[str, dict[str, int]] = {}
    expected: dict[tuple[str, int], int] = {}
    for day, name, value in sorted(found, key=lambda one: one[0]):
        kept = with_figures(kept, {name: value}, NOW + timedelta(days=day))
        expected[name, day] = value
    last = max((day for day, *_ in found), default=0)
    alive = {key: value for key, value in expected.items() if key[1] > last - DAYS}
    counted = {(name, str((NOW + timedelta(days=day)).date())): value for (name, day), value in alive.items()}
    assert {(name, day): value for name, of in kept.items() for day, value in of.items()} == counted
