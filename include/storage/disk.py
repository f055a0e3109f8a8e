"""Waits until a disk has everything that was written to it."""

import ctypes
import os
from pathlib import Path


def sync_disk(path: Path) -> None:
    """Wait until all that was written to the disk of a folder survives a power cut; once is cheaper than file by file.

    Raises:
        OSError: some of it could not be written (on Linux since 5.8).
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not Linux
        os.sync()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Wait until all files below a folder, and the folders, survive a power cut; of a few files cheaper than the disk.

    Raises:
        OSError: one of them could not be written.
    """
    for below, _, names in os.walk(folder):
        for path in (*(Path(below, name) for name in names), Path(below)):
            sync_path(path)


def sync_path(path: Path) -> None:
    """Wait until a file, or the names in a folder, survive a power cut.

    Raises:
        OSError: it could not be written.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
