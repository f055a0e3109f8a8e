"""The regular files below a folder of this machine, while others write there."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


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
