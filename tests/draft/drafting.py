"""Drafts from one file without questions."""

import tempfile
from pathlib import Path

from almanac.draft.draft import Wish, draft_model
from almanac.draft.reading import read_files


def draft(name: str, path: Path, wish: Wish) -> str:
    """The YAML as text, from one file.

    Args:
        name: of the model.
        path: of a file with a table, such as will land.
        wish: what is to be predicted.

    Raises:
        ConfigError: see `draft_model`.
        DataError: see `look_at_cells`.
    """
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        return draft_model(name, read_files([path], Path(folder), names=wish.declared.names), wish).text
