from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.errors import DamagedDatabaseError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, RunRef
from almanac.scoring.pause import resume_scoring, stop_scoring, stopped, why_stopped

NOW = datetime(2024, 6, 1, 12, tzinfo=UTC)
AT = {"run": RunRef("monitor_weather", "r", started_by="grace"), "now": NOW}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def test_stopped_nothing_was_reported_goes_on(journal: Journal) -> None:
    assert stopped(journal, "weather") is None


def test_stop_scoring_lasts_until_resumed_and_is_written_down(journal: Journal, tmp_path: Path) -> None:
    assert stop_scoring(journal, "weather", reason="F1 fell", **AT)
    decision = stopped(Journal(f"sqlite:///{tmp_path}/journal.db"), "weather")
    assert decision is not None
    assert decision.reasons == ("F1 fell",)
    assert stopped(journal, "tides") is None
    assert resume_scoring(journal, "weather", reason="sensor mended", **AT)
    assert stopped(journal, "weather") is None
    assert [one.accepted for one in journal.decisions("weather", DecisionKind.SCORING)] == [True, False]


def test_stop_and_resume_twice_write_once(journal: Journal) -> None:
    lines = [stop_scoring(journal, "weather", reason="a", **AT), stop_scoring(journal, "weather", reason="b", **AT)]
    lines += [
        resume_scoring(journal, "weather", reason="c", **AT),
        resume_scoring(journal, "weather", reason="d", **AT),
    ]
    assert lines == [True, False, True, False]
    assert len(journal.decisions("weather")) == 2


def test_why_stopped_says_how_to_go_on(journal: Journal) -> None:
    stop_scoring(journal, "weather", reason="F1 fell", **AT)
    decision = stopped(journal, "weather")
    assert decision is not None
    assert why_stopped(decision) == (
        "scoring was stopped at 2024-06-01 12:00 UTC: F1 fell. "
        "Resume it with: ./almanac scoring resume weather --reason '...'"
    )


def test_stopped_journal_that_cannot_be_read_raises_and_does_not_score(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(DamagedDatabaseError, match="it is a folder, expected a file"):
        stopped(Journal(f"sqlite:///{tmp_path}/folder"), "weather")
