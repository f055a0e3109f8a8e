"""Names and texts of others are shown, never obeyed: on the start page, a model's page and in the search."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.message import event_message
from almanac.config.home import Home
from almanac.control.filters import Filters
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, BatchRecord, BatchState, Decision, DecisionKind, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.pages.pages import Pages
from almanac.reporting.urls import Urls
from almanac.rollout.progress import first
from tests.monitoring.world import WEATHER

NOW = datetime(2026, 1, 10, tzinfo=UTC)
EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
RUN = RunRef(f"train_{EVIL}", f"run {EVIL}", started_by=EVIL)


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    """An installation in which every text that others write is hostile."""
    journal = Journal(f"sqlite:///{tmp_path}/journal.db")
    batch = BatchRecord(
        "weather", "ab" * 32, f"/landing/{EVIL}.csv", 1, NOW, BatchState.REJECTED, 5, 0, 0, 0, NOW, RUN, (EVIL,)
    )
    journal.record_batch(batch)
    for kind in (DecisionKind.TRAINING, DecisionKind.GATES, DecisionKind.ROLLBACK):
        journal.record_decision(Decision("weather", kind, False, (f"{EVIL}: {EVIL}",), NOW, RUN, EVIL))
    journal.record_alias_move(AliasMove("weather", "champion", "", EVIL, EVIL, NOW, RUN))
    journal.record_alias_move(AliasMove("weather", "challenger", "", "1", "why", NOW, RUN))
    message = event_message(
        "drift", severity="critical", model="weather", subject=EVIL, run=RUN, now=NOW, words=EVIL, what_to_do=EVIL
    )
    AlertLog(journal).record(message, "drift", EVIL, NOW)
    Rollouts(journal).record(first("weather", EVIL, EVIL, ordinal=1, reason=EVIL, run=RUN, now=NOW))
    return Pages(Home(home=tmp_path), journal, Urls("/almanac", ""), NOW)


def hostile(pages: Pages) -> dict[str, str]:
    evil = WEATHER.model_copy(update={"title": EVIL, "owner": EVIL, "tags": (EVIL,)})
    return {
        "start": pages.start([evil], [EVIL], chosen=Filters(owner=EVIL), of_installation=True),
        "model": pages.model(evil),
        "rollouts": pages.rollouts(evil),
        "search": pages.search(EVIL, [evil]),
        "found": pages.search("ab" * 32, [evil]),
    }


@pytest.mark.parametrize("page", ["start", "model", "rollouts", "search", "found"])
def test_page_shows_hostile_texts_and_runs_none(pages: Pages, page: str) -> None:
    html = hostile(pages)[page]
    assert "&lt;img src=x onerror" in html
    assert "<script" not in html
    assert "<img" not in html


def test_json_of_a_page_says_the_text_as_it_is(pages: Pages) -> None:
    data = json.loads(json.dumps(pages.model(WEATHER).to_json()))
    assert data["model"]["champion"]["version"] == EVIL


@pytest.mark.parametrize("text", ["%", "_" * 9, "' OR 1=1 --", "a" * 100_000, "\x00", "weather/../../x/1"])
def test_search_for_what_is_no_name_finds_nothing(pages: Pages, text: str) -> None:
    assert pages.search(text, [WEATHER]).data["hits"] == ()


def test_search_finds_nothing_of_models_that_the_reader_may_not_see(pages: Pages) -> None:
    other = WEATHER.model_copy(update={"name": "tides"})
    for text in ("ab" * 32, f"/landing/{EVIL}.csv", "weather@1", "1", "weather/2024-02-10T05:00:00Z/3"):
        assert len(pages.search(text, [WEATHER]).data["hits"]) == 1, text
        assert pages.search(text, [other]).data["hits"] == ()
