"""The benchmarks that pages name exist, and know the options that stand there; to run them takes minutes to hours."""

import re
import shlex
import subprocess
import sys

import pytest

from almanac.config.home import REPOSITORY
from tests.docs.elsewhere import ELSEWHERE

COMMANDS = sorted({one.line.text for one in ELSEWHERE if one.test.endswith("test_benchmarks.py")})


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_benchmark_of_a_page_knows_its_options(command: str) -> None:
    words = shlex.split(re.sub(r"[\[\]]", "", command))
    (_, first, *rest) = words
    module = ["-m", rest.pop(0)] if first == "-m" else [first]
    subcommand = [word for word in rest[:1] if word.isalpha()] if "bench.scale" in module else []
    done = subprocess.run(
        [sys.executable, *module, *subcommand, "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("usage: ")  # and no benchmark was begun
    assert [word for word in rest if word.startswith("--") and word not in done.stdout] == []
