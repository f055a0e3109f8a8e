"""A clock that a test sets: all processes that were started with it jump at once, and no others."""

import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """How far the clock of some processes is ahead.

    All that talk to each other must share it: Airflow compares times of its own with its database's `now()`.

    Args:
        folder: for the library and the shared seconds; the processes' users must be able to read it.
        compiler: of C.
    """

    def __init__(self, folder: Path, compiler: str) -> None:
        self._library, self._file = folder / "clock.so", folder / "clock"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", self._library, _SOURCE, "-ldl"], check=True)
        self._file.write_bytes(bytes(16))
        self._set_s = self._passed_s = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """For the processes."""
        return {"LD_PRELOAD": str(self._library), "ALMANAC_CLOCK": str(self._file)}

    def set(self, seconds: int) -> None:
        """Somebody sets it ahead, or back."""
        self._set_s += seconds
        self._write()

    def let_pass(self, seconds: int) -> None:
        """Time passes, by all clocks but those that processes wait by."""
        self._passed_s += seconds
        self._write()

    def _write(self) -> None:
        with self._file.open("r+b") as stream:  # in place: others have it in their memory
            stream.write(struct.pack("=qq", self._set_s + self._passed_s, self._passed_s))


@contextmanager
def clock_of_a_machine() -> Iterator[Clock]:
    """A clock that PostgreSQL's user can read, too; skip the test where there is no compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (Debian: apt-get install gcc libc6-dev)")
    with tempfile.TemporaryDirectory(prefix="almanac-clock-") as folder:
        Path(folder).chmod(0o755)
        yield Clock(Path(folder), compiler)
