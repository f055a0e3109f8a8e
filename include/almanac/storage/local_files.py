"""The regular files below a folder of this machine, while others write there.

Users who may write there may replace a file between its listing and its reading: a symbolic link to
a file that only this process can read, a FIFO that never ends. So what is opened is looked at, not what was listed.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import NamedTuple

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # without O_NONBLOCK a FIFO waits for its writer
_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_NO_FILE = (errno.ELOOP, errno.ENOTDIR, errno.ENXIO)  # a link, a link in place of a folder, a socket


class OtherFileError(FileNotFoundError):
    """The file that was meant is not there: something else lies in its place."""


def identity_of(facts: os.stat_result) -> str:
    """What tells a file from another of its name, size and time."""
    return f"{facts.st_dev}-{facts.st_ino}"


def open_regular(path: Path, *, below: Path | None = None) -> FileIO:
    """Open a regular file, never through a symbolic link, and never anything that blocks.

    Args:
        path: the file.
        below: no folder between this one and the file may be a symbolic link; the folder itself may. None: only the
            file's own name is looked at.

    Raises:
        OtherFileError: it is a link, a FIFO, a device, a socket or a folder, or lies behind a linked folder.
        FileNotFoundError: there is nothing.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, _READ) if below is None else _open_below(path, below)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise OtherFileError(f"{path}: expected a regular file, got a link or something else") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OtherFileError(f"{path}: expected a regular file, got something else")
    return FileIO(descriptor, "rb")


def is_below(path: Path, folder: Path) -> bool:
    """Whether a path stays below a folder: no folder between the two is a symbolic link."""
    return path.is_relative_to(folder) and not any(
        above.is_symlink() for above in path.parents if above != folder and above.is_relative_to(folder)
    )


def unlink_below(path: Path, below: Path) -> None:
    """Remove a file by its name, never through a folder that became a symbolic link.

    Raises:
        OtherFileError: a folder between `below` and the file is none, or a link.
        FileNotFoundError: there is nothing.
    """
    try:
        with _folder_of(path, below) as above:
            os.unlink(path.name, dir_fd=above)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise OtherFileError(f"{path}: expected a folder, got a link or something else") from None
        raise


def _open_below(path: Path, folder: Path) -> int:
    with _folder_of(path, folder) as above:
        return os.open(path.name, _READ, dir_fd=above)


@contextmanager
def _folder_of(path: Path, folder: Path) -> Iterator[int]:
    """The open folder of a file, reached from `folder` without following a link."""
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.relative_to(folder).parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=above)
            os.close(above)
            above = below
        yield above
    finally:
        os.close(above)


class LocalFile(NamedTuple):
    """A file that was there when the folder was listed.

    Attributes:
        name: from the folder, with slashes.
        path: where it is.
        found: what the disk says of it.
    """

    name: str
    path: Path
    found: os.stat_result


def files_below(folder: Path, above: str = "") -> Iterator[LocalFile]:
    """All regular files; none when there is no such folder. Symbolic links and what goes meanwhile are left out.

    Raises:
        OSError: a folder cannot be read.
    """
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        name = f"{above}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path), f"{name}/")
        elif entry.is_file(follow_symlinks=False):
            try:
                yield LocalFile(name, Path(entry.path), entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue


def find_regular(path: Path) -> os.stat_result | None:
    """What the disk says of a regular file; None: there is none, or its name is that of something else.

    Raises:
        OSError: its folder cannot be read.
    """
    try:
        found = path.stat(follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None
