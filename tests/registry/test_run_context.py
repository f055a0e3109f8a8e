"""What a run works with: opened when it is used, made once, and nothing secret in a log that shows it."""

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.registry.run_context import RunContext

NOW = datetime(2026, 11, 30, 3, tzinfo=UTC)
RUN = RunRef("score_weather", "r")


def context(home: Home, opened: list[Home]) -> RunContext:
    def open_registry(of: Home) -> object:
        opened.append(of)
        return object()

    return RunContext(home, Journal(home.journal_url), RUN, NOW, registry_of=open_registry)  # type: ignore[arg-type]


def test_context_opens_the_registry_once_and_not_before_it_is_used(tmp_path: Path) -> None:
    home, opened = Home(home=tmp_path), list[Home]()
    made = context(home, opened)
    assert opened == []
    assert made.registry is made.registry
    assert opened == [home]


def test_context_opens_no_journal_before_it_is_used(tmp_path: Path) -> None:
    made = context(Home(home=tmp_path), [])
    assert list(tmp_path.iterdir()) == []
    assert made.journal.decisions("weather") == []
    assert (tmp_path / "journal.db").is_file()


def test_context_that_is_shown_names_run_and_time_but_no_address(tmp_path: Path) -> None:
    home = Home(home=tmp_path, journal_url="postgresql://almanac:wharf-7@db.port.example/journal")
    shown = repr(RunContext(home, Journal(home.journal_url), RUN, NOW))
    assert "score_weather" in shown
    assert "2026" in shown
    assert "wharf-7" not in shown
    assert "port.example" not in shown


def test_context_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(FrozenInstanceError):
        context(Home(home=tmp_path), []).now = NOW  # type: ignore[misc]
