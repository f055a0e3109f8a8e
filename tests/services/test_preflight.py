import ast
import subprocess
import sys
from pathlib import Path

import pytest

from almanac.services import preflight
from almanac.services.preflight import GB


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_python_problem_supported_version_is_none(version):
    assert preflight.python_problem(version) == ""


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14)])
def test_python_problem_other_version_says_got_expected_and_what_to_do(version):
    problem = preflight.python_problem(version)

    assert f"got {version[0]}.{version[1]}, expected 3.11 to 3.13" in problem
    assert "make PYTHON=" in problem


def test_venv_problem_without_ensurepip_names_the_package(monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else name)

    assert "sudo apt-get install python3-venv" in preflight.venv_problem()


@pytest.mark.parametrize(
    ("free", "installed", "expected"),
    [
        (3 * GB, False, ""),
        (3 * GB - 1, False, "expected 3 GB"),
        (GB, True, ""),
        (GB - 1, True, "expected 1 GB"),
    ],
)
def test_disk_problem_at_its_limits(free, installed, expected):
    problem = preflight.disk_problem(free, Path("/srv"), installed=installed)

    assert problem == "" if not expected else expected in problem


@pytest.mark.parametrize("total", [None, 3_800_000_000, 16 * GB])
def test_memory_problem_enough_or_unknown_is_none(total):
    assert preflight.memory_problem(total) == ""


def test_memory_problem_too_little_says_got_and_expected():
    assert "got 2.0 GB, expected 4 GB" in preflight.memory_problem(2 * GB)


def test_memory_bytes_limit_of_the_container_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    limit.write_text("1000000\n")
    monkeypatch.setattr(preflight, "_CGROUP_LIMITS", (tmp_path / "none", limit))

    assert preflight.memory_bytes() == 1_000_000


def test_memory_bytes_unlimited_container_is_the_machine(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(preflight, "_CGROUP_LIMITS", (tmp_path / "memory.max",))

    assert (preflight.memory_bytes() or 0) > GB / 10


def test_preflight_script_runs_alone_without_the_project():
    done = subprocess.run(
        [sys.executable, "-S", "-E", preflight.__file__], capture_output=True, text=True, cwd="/", check=False
    )

    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_preflight_script_can_be_read_by_pythons_that_are_too_old():
    tree = ast.parse(Path(preflight.__file__).read_text(), feature_version=(3, 7))

    assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)
