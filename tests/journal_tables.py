"""The journal's tables, created once a process: fifty statements, and waits for the disk, for each new database."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from almanac.journal.database import Database


@contextmanager
def journals_begun_once(kept: Path) -> Iterator[None]:
    """Let each new journal on SQLite begin with a copy of the tables that the product created first.

    Args:
        kept: where they are kept meanwhile; the file is created.
    """
    Database(f"sqlite:///{kept}")._create()

    def begin(path: Path) -> None:
        spare = path.with_name(f".{path.name}.{os.getpid()}.new")
        shutil.copyfile(kept, spare)
        with suppress(FileExistsError):  # another was faster
            os.link(spare, path)
        spare.unlink()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("almanac.journal.database.make_database", begin)
        yield
