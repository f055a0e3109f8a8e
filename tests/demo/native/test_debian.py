"""Programs of Debian: found where they are, installed by root alone, and never a reason for `make test` to end."""

import subprocess
from pathlib import Path

import pytest

from demo.native import debian


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine on which PATH holds an apt-get that writes down what it was asked, and nothing else."""
    calls = tmp_path / "calls"
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$RUNLEVEL $@" >> {calls}\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(debian, "_CLUSTERS", tmp_path / "postgresql-common" / "createcluster.conf")
    return calls


def test_missing_program_on_path_is_not_missing(bare: Path) -> None:
    (bare.parent / "node").touch(mode=0o755)
    assert debian.missing(("nodejs", "restic")) == ("restic",)


def test_install_as_root_installs_what_is_missing_and_starts_nothing(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert debian.install(("redis-server", "restic")) == ""
    assert bare.read_text().splitlines() == [
        "1 -qq update",
        "1 -qq install --yes --no-install-recommends redis-server restic",
    ]
    assert debian._CLUSTERS.read_text() == "create_main_cluster = false\n"


def test_install_with_everything_there_asks_nobody(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (bare.parent / "restic").touch(mode=0o755)
    assert debian.install(("restic",)) == ""
    assert not bare.exists()


def test_install_without_root_says_what_to_type(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert debian.install(("restic",)) == "not on this machine: restic; to install them: sudo apt-get install restic"
    assert not bare.exists()


def test_install_that_fails_says_why_and_the_command_goes_on(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    (bare.parent / "apt-get").write_text("#!/bin/sh\necho no network >&2\nexit 100\n")
    monkeypatch.setattr("sys.argv", ["debian.py", "restic"])
    assert debian.main() == 0
    assert "apt-get update ended with 100: no network. By hand: apt-get install restic" in capsys.readouterr().err


def test_debian_runs_alone_with_the_standard_library() -> None:
    done = subprocess.run(["python3", "-I", "-S", debian.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
