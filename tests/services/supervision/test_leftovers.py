import os
import subprocess
import sys

import pytest

from almanac.services.environment import MARKER
from almanac.services.supervision.leftovers import end_processes, processes_of

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


@pytest.fixture
def start():
    started = []

    def run(root, code=STUBBORN):
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, MARKER: str(root)},
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_end_processes_stubborn_one_in_its_own_session_is_ended(tmp_path, start):
    process = start(tmp_path)

    assert end_processes(tmp_path, grace_s=0.3) == 1
    assert process.poll() is not None
    assert processes_of(tmp_path) == []


def test_end_processes_of_another_home_are_left_alone(tmp_path, start):
    other = start(tmp_path / "other")

    assert end_processes(tmp_path, grace_s=0.3) == 0
    assert other.poll() is None


def test_processes_of_never_names_this_process_or_those_above_it(tmp_path, start):
    code = (
        "import sys, pathlib; from almanac.services.supervision.leftovers import processes_of;"
        f"print(len(processes_of(pathlib.Path({str(tmp_path)!r}))), flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"],
        env={**os.environ, MARKER: str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "0"
