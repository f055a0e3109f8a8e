"""A process stops at a named point if a test has ordered it, and at no other."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from almanac import failpoints
from almanac.config.home import REPOSITORY

STORY = """
from almanac import failpoints
failpoints.failpoint("claimed", "ab")
failpoints.failpoint("validated", "ab")
print("to the end")
"""


@pytest.mark.parametrize("order", ["validated", "validated.ab"])
def test_failpoint_ordered_point_stops_the_process_and_names_it(tmp_path: Path, order: str) -> None:
    (tmp_path / order).touch()
    process = subprocess.Popen(
        [sys.executable, "-c", STORY],
        cwd=REPOSITORY,
        env={failpoints.FOLDER_VARIABLE: str(tmp_path), "PYTHONPATH": "include"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        mark = tmp_path / f"{order}.reached"
        deadline = time.monotonic() + 30
        while not mark.exists() or psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert mark.read_text("utf-8") == str(process.pid)
        process.send_signal(signal.SIGCONT)
        assert process.communicate(timeout=30)[0] == "to the end\n"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("order", ["committed", "validated.cd"])
def test_failpoint_other_point_or_subject_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    (tmp_path / order).touch()
    monkeypatch.setenv(failpoints.FOLDER_VARIABLE, str(tmp_path))
    failpoints.failpoint("validated", "ab")
    assert [path.name for path in tmp_path.iterdir()] == [order]
