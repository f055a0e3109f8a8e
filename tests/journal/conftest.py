"""Journals of this folder create their own tables."""

import pytest

from almanac.journal.damage import make_database


@pytest.fixture(autouse=True)
def _tables_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.journal.database.make_database", make_database)
