"""The regular files below a folder of this machine, while others write there.

Users who may write there may replace a file between its listing and its reading: a symbolic link to
a file that only this process can read, a FIFO that never ends. So what is opened is looked at, not what was listed.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


def move_below(
    path: Path, below: Path, target: Path, target_below: Path, is_meant: Callable[[os.stat_result], bool]
) -> bool:
    """Rename a file, never through a folder that became a symbolic link; folders of the target are made.

    Args:
        path: the file.
        below: the folder in which others write.
        target: its new place; a file there is replaced.
        target_below: the folder above it, which exists.
        is_meant: whether the file is the one that was meant, asked after it was moved: one that was put in its place at
            the last moment goes back, and stays where it is if there is again another one.

    Returns:
        Whether the file that was meant is at the target.

    Raises:
        OtherFileError: a folder between is none, or a link.
        FileNotFoundError: there is nothing.
        OSError: it cannot be renamed: another disk, no rights.
    """
    try:
        with _folder_of(path, below) as above, _folder_of(target, target_below, make=True) as into:
            os.rename(path.name, target.name, src_dir_fd=above, dst_dir_fd=into)
            if is_meant(os.stat(target.name, dir_fd=into, follow_symlinks=False)):
                return True
            with suppress(FileExistsError):
                os.link(target.name, path.name, src_dir_fd=into, dst_dir_fd=above, follow_symlinks=False)
                os.unlink(target.name, dir_fd=into)
            return False
    except OSError as error:
        if error.errno in _NO_FILE:
            raise OtherFileError(f"{path}: expected a folder, got a link or something else") from None
        raise


def _open_below(path: Path, folder: Path) -> int:
    with _folder_of(path, folder) as above:
        return os.open(path.name, _READ, dir_fd=above)


@contextmanager
def _folder_of(path: Path, folder: Path, *, make: bool = False) -> Iterator[int]:
    """The open folder of a file, reached from `folder` without following a link; `make`: what is missing is made."""
    above = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.relative_to(folder).parts[:-1]:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=above)
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
