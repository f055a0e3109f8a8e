"""The locks that SQLite holds on the journal's file: they end when anybody in the process closes that file."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.journal.damage import file_problem, whole_file_problem
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from tests.data.installation import NOW

_WRITE = """
import sys
from datetime import UTC, datetime
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
now = datetime(2026, 11, 21, 12, tzinfo=UTC)
Journal(sys.argv[1]).record_decision(Decision("weather", DecisionKind.EVENT, True, (), now, RunRef("d", sys.argv[2])))
"""


def locks(path: Path) -> list[str]:
    """What Linux lists of this process's locks on that file, without the running number at each line's start."""
    mine = f":{path.stat().st_ino} "
    lines = Path("/proc/locks").read_text("ascii").splitlines()
    return sorted(line.partition(": ")[2] for line in lines if f" {os.getpid()} " in line and mine in line)


def written(journal: Journal) -> set[str]:
    return {one.run.run_id for one in journal.decisions("weather", DecisionKind.EVENT)}


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="needs Linux, which lists locks")
@pytest.mark.parametrize("look", [file_problem, whole_file_problem])
def test_look_at_the_file_takes_no_lock_away(tmp_path: Path, look) -> None:
    home = Home(home=tmp_path)
    journal = Journal(home.journal_url)
    assert written(journal) == set()
    before = locks(tmp_path / "journal.db")
    assert before
    assert look(tmp_path / "journal.db") == ""
    assert locks(tmp_path / "journal.db") == before


def test_journal_that_stays_open_reads_what_others_write_whatever_opens_it_beside(tmp_path: Path) -> None:
    home = Home(home=tmp_path)
    journal = Journal(home.journal_url)
    assert written(journal) == set()
    for number in range(3):
        assert Journal(home.journal_url).decisions("weather", DecisionKind.EVENT) is not None  # opened, and let go
        run = subprocess.run(
            [sys.executable, "-c", _WRITE, home.journal_url, str(number)],
            check=True,
            env={**os.environ, "PYTHONPATH": "include"},
        )
        assert run.returncode == 0
        assert written(journal) == {str(each) for each in range(number + 1)}
    journal.record_decision(Decision("weather", DecisionKind.EVENT, True, (), NOW, RunRef("d", "own")))
    assert "own" in written(Journal(home.journal_url))
