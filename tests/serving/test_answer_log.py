"""Every answer is logged once, whatever dies, and no request waits for the log's troubles."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.config.home import REPOSITORY
from almanac.data.table.delta_table import open_table, read_table
from almanac.errors import TransientError
from almanac.serving import answer_log
from almanac.serving.answer_log import AnswerLog, LoggedAnswer
from tests.serving.world import CALLER, Online, as_rows, next_hours


def logged(identity: str) -> LoggedAnswer:
    return LoggedAnswer(
        id=identity,
        time="2024-01-01T00:00:00+00:00",
        key="{}",
        prediction=0.25,
        label="0",
        probabilities=None,
        missing=None,
        features_hash=7,
        inputs=None,
        model_version="3",
        dataset_version=12,
        arm="champion",
        caller="crane",
        asked_at="2026-01-01T00:00:00+00:00",
        latency_us=3.0,
    )


def log_at(folder: Path) -> AnswerLog:
    return AnswerLog(folder / "serving", lambda model: str(folder / f"{model}.online"))


def ids(folder: Path) -> list[str]:
    uri = str(folder / "weather.online")
    return [] if open_table(uri) is None else sorted(read_table(uri)["id"].to_list())


def test_log_ships_what_was_written_and_leaves_nothing_behind(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.write("weather", [logged("a"), logged("b")], durable=True)
    assert log.waiting_bytes() > 0

    assert log.ship() == 2
    assert (ids(tmp_path), log.waiting_bytes(), log.ship()) == (["a", "b"], 0, 0)


def test_log_goes_on_after_it_was_shipped(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    for name in "abc":
        log.write("weather", [logged(name)], durable=False)
        log.ship()

    assert ids(tmp_path) == ["a", "b", "c"]


def test_log_segment_that_was_committed_is_not_shipped_again(tmp_path: Path, monkeypatch) -> None:
    """The process died between the commit and the removal of the segment."""
    log = log_at(tmp_path)
    log.write("weather", [logged("a")], durable=False)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(SystemExit(9)))
        with pytest.raises(SystemExit):
            log.ship()
    assert log.waiting_bytes() > 0

    assert log.ship() == 0
    assert (ids(tmp_path), log.waiting_bytes()) == (["a"], 0)


def test_log_stays_while_the_store_is_away(tmp_path: Path, monkeypatch) -> None:
    log = log_at(tmp_path)
    log.write("weather", [logged("a")], durable=False)
    (tmp_path / "weather.online").write_text("no folder", "utf-8")
    with pytest.raises(Exception, match=r"weather\.online"):
        log.ship()
    log.write("weather", [logged("b")], durable=False)

    (tmp_path / "weather.online").unlink()
    assert log.ship() == 2
    assert ids(tmp_path) == ["a", "b"]


def test_log_of_a_process_that_is_gone_is_shipped_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.serving.test_answer_log import log_at, logged\n"
        "log = log_at(Path(sys.argv[1])); log.write('weather', [logged('a'), logged('b')], durable=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=REPOSITORY, check=False)
    assert done.returncode == -signal.SIGKILL

    assert log_at(tmp_path).ship() == 2
    assert ids(tmp_path) == ["a", "b"]
    assert len(list((tmp_path / "serving" / "log").iterdir())) == 1  # that of this process


def test_log_of_a_process_that_lives_is_left_to_it(tmp_path: Path) -> None:
    one, other = log_at(tmp_path), log_at(tmp_path)
    one.write("weather", [logged("a")], durable=False)

    assert other.ship() == 0
    assert one.ship() == 1


def test_log_half_a_line_of_a_process_that_died_is_no_answer(tmp_path: Path) -> None:
    log = log_at(tmp_path)
    log.write("weather", [logged("a")], durable=False)
    (segment,) = (tmp_path / "serving" / "log").glob("*/weather/*.jsonl")
    with segment.open("ab") as file:
        file.write(b'{"id": "b", "ti')

    assert log.ship() == 1
    assert ids(tmp_path) == ["a"]


@pytest.mark.parametrize("written", [0, 5])
def test_log_full_disk_loses_no_line_of_before_and_counts_what_it_lost(
    tmp_path: Path, monkeypatch, written: int
) -> None:
    log = log_at(tmp_path)
    log.write("weather", [logged("a")], durable=False)
    real = os.write

    def full(descriptor: int, content: bytes) -> int:
        real(descriptor, content[:written])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(answer_log.os, "write", full)
        log.write("weather", [logged("b"), logged("c")], durable=False)
    log.write("weather", [logged("d")], durable=False)

    assert log.lost == 2
    assert log.ship() == 2
    assert ids(tmp_path) == ["a", "d"]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["write", "ship", "restart", "lost answer"]), max_size=12))
def test_log_holds_each_answer_once_in_any_order_of_events(
    tmp_path_factory: pytest.TempPathFactory, events: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log, written = log_at(folder), []
    for number, event in enumerate(events):
        if event == "write":
            written.append(f"{number:03}")
            log.write("weather", [logged(written[-1])], durable=False)
        elif event == "ship":
            log.ship()
        elif event == "restart":
            os.close(log._lock)  # as the kernel does at a process' end
            log = log_at(folder)
        else:
            _ship_with_a_lost_answer(log)
    log.ship()

    assert ids(folder) == written


def _ship_with_a_lost_answer(log: AnswerLog) -> None:
    """The commit is made, and the store's answer does not arrive."""
    import deltalake

    real = deltalake.write_deltalake

    def lost(*arguments: Any, **named: Any) -> None:
        real(*arguments, **named)
        raise OSError("connection reset")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltalake, "write_deltalake", lost)
        with suppress(TransientError):  # there may have been nothing to ship
            log.ship()


def test_predict_logs_each_answer_before_it_is_sent(tmp_path: Path) -> None:
    online = Online(tmp_path, {"log_inputs": True})
    rows = as_rows(next_hours(3))
    said = online.ask(*rows).json()["predictions"]
    online.service.log.ship()
    table = read_table(online.home.answers_of("weather"))

    assert table["id"].to_list() == [each["id"] for each in said]
    assert table["prediction"].to_list() == [each["probability"] for each in said]
    assert table["label"].to_list() == [str(each["label"]) for each in said]
    assert [json.loads(each) for each in table["inputs"]] == rows
    assert table["caller"].unique().to_list() == [CALLER]
    assert table["model_version"].unique().to_list() == ["1"]
    assert table["dataset_version"].unique().to_list() == [0]


def test_predict_inputs_are_logged_only_where_the_yaml_asks(tmp_path: Path) -> None:
    online = Online(tmp_path)
    online.ask(*as_rows(next_hours()))
    online.service.log.ship()

    assert read_table(online.home.answers_of("weather"))["inputs"].to_list() == [None]


def test_predict_with_a_full_disk_goes_on_and_tells(tmp_path: Path, monkeypatch) -> None:
    online = Online(tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(answer_log.os, "write", full)
        assert online.ask(*as_rows(next_hours(2))).status_code == 200
    said = online.client.get("/metrics", headers={"Authorization": f"Bearer {online.token}"}).text
    assert "almanac_serving_log_lost_rows 2.0" in said
