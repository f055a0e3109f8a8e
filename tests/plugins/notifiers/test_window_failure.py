"""A window whose run failed for good is written down where people look for gaps."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import WindowState
from almanac_airflow.notifiers.window_failure import WindowFailureNotifier
from tests.windows.conftest import declare


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    declare(tmp_path / "models", "tides", {})
    return Home()


def context(key: str | None, **more: Any) -> Any:
    task = SimpleNamespace(dag_id="window_tides", run_id="manual__1", try_number=4, task_id="close")
    return {"ti": task, "dag_run": SimpleNamespace(partition_key=key), **more}


def test_notify_marks_the_window_failed_with_its_reason(home: Home) -> None:
    WindowFailureNotifier("tides").notify(context("2021-01-01T06:00:00", exception=OSError("the store is away")))
    (record,) = Journal(home.journal_url).windows("tides")
    assert (record.state, record.reason) == (WindowState.FAILED, "close: the store is away")
    assert record.run.try_number == 4


def test_notify_killed_process_has_a_reason_too(home: Home) -> None:
    WindowFailureNotifier("tides").notify(context("2021-01-01T06:00:00"))
    assert Journal(home.journal_url).windows("tides")[0].reason == "close: the process ended without a word"


@pytest.mark.parametrize("key", [None, "2021-01-01T05:00:00"])
def test_notify_run_without_a_window_writes_nothing_and_raises_nothing(home: Home, key: str | None) -> None:
    WindowFailureNotifier("tides").notify(context(key, exception=OSError("x")))
    assert Journal(home.journal_url).windows("tides") == []
