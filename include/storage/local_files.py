"""The regular files below a folder of this machine, while others write there."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from include.errors import IntegrityError


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


def open_regular(path: Path) -> BinaryIO:
    """Open a regular file to read it: no link is followed, and what only looks like a file does not block.

    Raises:
        FileNotFoundError: there is none.
        IntegrityError: a link, a pipe, a device, a socket or a folder has its name.
        OSError: it cannot be read.
    """
    try:
        # NONBLOCK: opening a pipe would wait for its writer, for ever; on a regular file it changes nothing
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link; a socket, or a device that is not there
            raise _not_regular(path) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_regular(path)
    return cast("BinaryIO", os.fdopen(descriptor, "rb", buffering=0))


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


def _not_regular(path: Path) -> IntegrityError:
    return IntegrityError(
        f"{path}: not a regular file; got a link, a pipe, a device or a folder, which nobody here makes. It was not"
        " read. Who can write there? Remove it; what it replaced comes from the second place"
    )
