"""A clock that a test sets: all processes that were started with it jump at once, and no others."""

import mmap
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

_SOURCE = Path(__file__).with_name("clock.c")


class Clock:
    """How far the clock of some processes is ahead.

    Args:
        folder: for the library and the shared seconds.

    Raises:
        FileNotFoundError: this machine has no C compiler.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("no C compiler (Debian: apt-get install gcc libc6-dev)")
        self._library, self._file = folder / "clock.so", folder / "clock"
        subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", self._library, _SOURCE, "-ldl"], check=True)
        self._file.write_bytes(bytes(8))

    @property
    def environment(self) -> Mapping[str, str]:
        """For the processes."""
        return {"LD_PRELOAD": str(self._library), "ALMANAC_CLOCK": str(self._file)}

    def set_ahead(self, seconds: int) -> None:
        with self._file.open("r+b") as stream, mmap.mmap(stream.fileno(), 8) as shared:
            shared[:] = seconds.to_bytes(8, "little", signed=True)
