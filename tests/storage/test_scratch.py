"""The folder of a batch is there while somebody works in it, and no longer, however the work ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY, Home
from almanac.errors import DataError, TransientError
from almanac.storage.scratch import scratch

WORK = """
import sys, time
from pathlib import Path
from almanac.config.home import Home
from almanac.storage.scratch import scratch
with scratch(Home(home=Path(sys.argv[1]))) as folder:
    (folder / "content").write_bytes(bytes(1000))
    print(folder, flush=True)
    time.sleep(60)
"""


def _age(folder: Path) -> None:
    os.utime(folder, (0, 0))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path)


def test_scratch_ends_with_the_work_and_its_errors_pass(home: Home) -> None:
    def work() -> None:
        with scratch(home) as folder:
            assert folder.is_dir()
            raise DataError("as it is")

    with pytest.raises(DataError, match="as it is"):
        work()
    assert list(home.scratch.iterdir()) == []


def test_scratch_of_a_killed_process_goes_and_that_of_a_living_one_stays(home: Home) -> None:
    """However old: a batch of days is no leftover. Nor is one that is so young that it may not be locked yet."""
    process = subprocess.Popen(
        [sys.executable, "-c", WORK, str(home.home)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        _age(folder)
        with scratch(home):
            assert (folder / "content").exists()
    finally:
        process.kill()
        process.communicate()
    folder.touch()
    with scratch(home):
        assert folder.exists()
    _age(folder)
    with scratch(home):
        assert not folder.exists()


def test_scratch_fault_of_the_disk_is_transient_and_says_where(home: Home) -> None:
    home.scratch.write_text("in the way")
    with (
        pytest.raises(TransientError, match=r"scratch: a batch cannot be processed there: .*free space"),
        scratch(home),
    ):
        pass
