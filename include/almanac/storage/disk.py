"""Waits until a disk has everything that was written to it."""

import ctypes
import os
from collections.abc import Collection
from pathlib import Path

_FEW = 64  # a sync of the disk waits for what others have written, too
_LARGE = 1 << 20
_START_WRITING = 2  # SYNC_FILE_RANGE_WRITE


def start_writing(path: Path) -> None:
    """Let the disk begin with a large file while the next ones are worked on; `sync_paths` then waits for less."""
    sync_file_range = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if sync_file_range is None or path.stat().st_size < _LARGE:  # not Linux; of small files many together are cheaper
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync_file_range(descriptor, ctypes.c_int64(0), ctypes.c_int64(0), _START_WRITING)  # all of it
    finally:
        os.close(descriptor)


def sync_paths(paths: Collection[Path], folder: Path) -> None:
    """Wait until files, and the names in folders, survive a power cut: a few one by one, many by one sync of the disk.

    Args:
        paths: files and folders.
        folder: on the same disk.

    Raises:
        OSError: one of them could not be written.
    """
    if len(paths) > _FEW:
        sync_disk(folder)
        return
    for path in paths:
        sync_path(path)


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
