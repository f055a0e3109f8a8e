"""Folders of this machine in which one batch each is worked on."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from almanac.config.home import Home
from almanac.errors import TransientError

_YOUNG_S = 60  # a folder of this age may not be locked yet


@contextmanager
def scratch(home: Home) -> Iterator[Path]:
    """A folder for one batch; those that killed processes left are removed first, or their tries would fill the disk.

    Raises:
        TransientError: this machine's disk is full or refuses; the faults of stores have been named by then.
    """
    root = home.scratch
    try:
        with scratch_folder(root) as folder:
            yield folder
    except OSError as error:
        raise TransientError(
            f"{root}: a batch cannot be processed there: {error}. It needs space for a file and its rows: free space,"
            " check the permissions; then try again."
        ) from error


@contextmanager
def scratch_folder(root: Path) -> Iterator[Path]:
    """`scratch` without names for its errors: what fails inside is the caller's.

    Raises:
        OSError: the disk is full or refuses.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.iterdir():
        with suppress(OSError):  # another ingest has just removed it itself, or it is another user's
            _remove_if_left(left)
    with TemporaryDirectory(dir=root) as folder, _locked(Path(folder)):
        yield Path(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The kernel frees the lock however this process ends."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_if_left(folder: Path) -> None:
    if time.time() - folder.stat().st_mtime < _YOUNG_S:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # somebody works there
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
