"""Whatever a program does wrong, its candidate fails in words, and nothing of it goes on running."""

import subprocess
import sys
import time

import psutil
import pytest

from almanac.errors import ConfigError, TransientError
from tests.programs.conftest import GIVES_ITS_GRAPH

TRAINER = """
import sys
from functools import partial
from pathlib import Path
from almanac.config.sections.own.program import ProgramLimits
from almanac.programs.run import Call, own_python, run_program
folder = Path(sys.argv[1])
python, read = own_python()
call = Call("test", "train.py", folder, python, read, (), ProgramLimits())
run_program(call, report=partial(print, flush=True))
"""


def test_program_that_gives_a_graph_is_a_pipeline_as_any_other(team) -> None:
    team.write("print('hello')\n" + GIVES_ITS_GRAPH)
    made = team.fit()
    assert made.pipeline.predict_proba(team.rows.values[:3]).shape == (3, 2)
    assert "hello" in team.said


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("", r"candidate mine \(mine/train.py\): it ended without an error and wrote no model.onnx"),
        ("raise SystemExit('no rows to my taste')", r"exit code 1, expected 0; its last words: .*no rows to my taste"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"died of signal SIGSEGV; it said nothing"),
        ("open('model.onnx', 'w').write('no graph')", r"its graph is not one for this model: no valid ONNX graph"),
        ("import os; os.symlink('/etc/passwd', 'model.onnx')", r"is a link or no file"),
        ("import os; os.link('spec.json', 'native/copy')", r"is a link or no file"),
        ("import os; os.symlink('/etc', 'native/all')", r"is a link or no file"),
        ("import os; os.rmdir('native'); os.symlink('/etc', 'native')", r"native is a link or a file"),
        ("open('native/big', 'wb').truncate(3_000_000)", r"native/ holds 1 files of 3000000 bytes, expected at most"),
        ("[open(f'report/{n}.png', 'w') for n in range(51)]", r"report/ holds 51 files .*, expected at most 50"),
        ("open('history.jsonl', 'w').write('{\"epoch\": 1}')", r"history.jsonl: line 1: .*expected numbers by name"),
        (
            "open('history.jsonl', 'w').write('{\"loss\": 1' + '0' * 400 + '}')",
            r"history.jsonl: line 1: a number is larger than a float holds",
        ),
        ("open('history.jsonl', 'w').write('loss 3')", r"history.jsonl: line 1: no JSON"),
    ],
)
def test_program_that_leaves_something_wrong_fails_in_words(team, script, words) -> None:
    team.write(f"{script}\n")
    with pytest.raises(ConfigError, match=words):
        team.fit(limits={"native_mb": 2})


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        ({"name": "x"}, r"inputs and outputs: got \[\('x', 1, 15\)"),
        ({"output": "y"}, r"inputs and outputs: got .*'y'.*expected .*'probabilities'"),
        ({"classes": 3}, r"\('probabilities', 1, 3\)\], expected .*\('probabilities', 1, 2\)"),
        ({"nan": True}, r"a batch of 1 rows: 1 of 1 rows give a probability that is NaN"),
        ({"whole_batch": True}, r"another prediction \(by .*\) when other rows are in the batch"),
        ({"rows": 7}, r"its graph is not one for this model: .*the graph fails on 0 rows"),
    ],
)
def test_graph_that_is_not_what_the_model_needs_fails_in_words(team, graph, words) -> None:
    team.write(GIVES_ITS_GRAPH, **graph)
    with pytest.raises(ConfigError, match=words):
        team.fit()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_size_mb": 0.5}, r"its graph has 0.80 MB, wanted at most 0.5"),
        ({"max_latency_ms": 1e-6}, r"its graph takes \d+.\d ms for one row, wanted at most 1e-06"),
    ],
)
def test_graph_that_is_too_large_or_too_slow_fails_in_words(team, change, limits, words) -> None:
    team.write(GIVES_ITS_GRAPH, ballast=200_000)
    team.model = change(team.model, "gates.budget", **limits)
    with pytest.raises(ConfigError, match=words):
        team.fit()


def test_program_that_takes_too_long_is_ended_with_all_that_it_started(team, tmp_path) -> None:
    team.write(
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import os, time; os.setsid(); time.sleep(600)'])\n"
        "print('child', child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with pytest.raises(ConfigError, match=r"ran longer than 3 s and was ended. Raise limits.time"):
        team.fit(limits={"time": "3s"})
    (child,) = [int(line.split()[1]) for line in team.said if line.startswith("child")]
    assert not psutil.pid_exists(child)


def test_program_that_ends_leaves_no_process_behind(team) -> None:
    team.write(
        "import os, subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('child', child.pid, flush=True)\n" + GIVES_ITS_GRAPH
    )
    team.fit()
    (child,) = [int(line.split()[1]) for line in team.said if line.startswith("child")]
    assert not psutil.pid_exists(child)


def test_program_that_needs_too_much_memory_is_ended(team) -> None:
    team.write("import time\nheld = b'x' * 400_000_000\ntime.sleep(600)\n")
    with pytest.raises(ConfigError, match=r"used \d+ MB of memory and was ended; expected at most 200"):
        team.fit(limits={"memory_mb": 200})


def test_program_that_writes_too_much_is_ended(team) -> None:
    team.write("import time\n[open(f'{n}', 'wb').write(b'x' * 4_000_000) for n in range(5)]\ntime.sleep(600)\n")
    with pytest.raises(ConfigError, match=r"wrote \d+ MB and was ended; expected at most 8"):
        team.fit(limits={"disk_mb": 8})


def test_program_that_prints_a_gigabyte_fills_no_log(team) -> None:
    team.write(
        "import sys\nline = b'x' * 99 + b'\\n'\n"
        "for _ in range(1000): sys.stdout.buffer.write(line * 10_000)\n" + GIVES_ITS_GRAPH
    )
    team.fit()
    assert sum(map(len, team.said)) < 210_000
    assert team.said[-1].startswith("1,000,000,000 bytes of output in all; the last of them: ")


def test_program_that_asks_for_another_try_is_a_transient_error(team) -> None:
    team.write("raise SystemExit(75)\n")
    with pytest.raises(TransientError, match="exit code 75: another try may succeed"):
        team.fit()


def test_program_dies_with_the_process_that_trains(tmp_path) -> None:
    """Killed by SIGKILL, that process can end nothing itself."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "train.py").write_text(
        "import os, time\nprint('running', os.getpid(), flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", TRAINER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as trainer:
        assert trainer.stdout is not None
        program = int(trainer.stdout.readline().split()[1])
        trainer.kill()
        deadline = time.monotonic() + 60
        while psutil.pid_exists(program) and time.monotonic() < deadline:
            time.sleep(0.05)
    assert not psutil.pid_exists(program)
