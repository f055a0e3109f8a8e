"""The theatre, one for the session: its states are built once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.stage import Theatre
from tests.docs.warm import Warm


@pytest.fixture(scope="session")
def theatre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theatre]:
    root: Path = tmp_path_factory.mktemp("docs")
    with Warm() as warm:
        yield Theatre(root, warm)
