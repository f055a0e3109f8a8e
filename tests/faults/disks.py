"""Real small disks: full, read-only, or not mounted."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


class Disk:
    """A file system of its own at a place, of a few megabytes."""

    def __init__(self, place: Path, size_mb: int) -> None:
        self.place = place
        self._size_mb = size_mb
        self._ballast = place / ".ballast"

    def mount(self) -> None:
        """Put an empty disk there.

        Raises:
            subprocess.CalledProcessError: this user may not.
        """
        self.place.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size_mb}m", "tmpfs", str(self.place))

    def unmount(self) -> None:
        _run("umount", "--lazy", str(self.place))

    def fill(self) -> None:
        """Leave not one byte free."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass

    def empty(self) -> None:
        self._ballast.unlink()

    def grow(self, size_mb: int) -> None:
        self._remount(f"size={size_mb}m")

    def protect(self) -> None:
        self._remount("ro")

    def release(self) -> None:
        self._remount("rw")

    def _remount(self, option: str) -> None:
        _run("mount", "-o", f"remount,{option}", str(self.place))


@contextmanager
def small_disk(place: Path, size_mb: int = 2) -> Iterator[Disk]:
    """Mount a small disk for as long as a test lasts; skip the test where that is not allowed."""
    disk = Disk(place, size_mb)
    try:
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"needs the right to mount a disk of its own, which root has on Linux: {error}")
    try:
        yield disk
    finally:
        with suppress(subprocess.CalledProcessError):  # the test may have taken it away
            disk.unmount()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
