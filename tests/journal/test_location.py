"""Who enters the journal."""

import pytest
from sqlalchemy.engine import make_url

from almanac.config.connection import Connection, variable_of
from almanac.journal.location import CONNECTION, completed, with_login

LOGIN = Connection(login="me", password="hush", host="elsewhere", port=6543, schema="other")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://db/almanac", "postgresql://me:hush@db:6543/almanac"),
        ("postgresql:///almanac", "postgresql://me:hush@elsewhere:6543/almanac"),
        ("postgresql://", "postgresql://me:hush@elsewhere:6543/other"),
        ("postgresql://db:1/almanac?sslmode=require", "postgresql://me:hush@db:1/almanac?sslmode=require"),
        # a password is nobody else's
        ("postgresql://you@db:1/almanac", "postgresql://you@db:1/almanac"),
        ("postgresql://you:psst@db:1/almanac", "postgresql://you:psst@db:1/almanac"),
    ],
)
def test_completed_fills_in_what_the_url_leaves_out(url: str, expected: str) -> None:
    assert completed(make_url(url), LOGIN) == make_url(expected)


def test_entered_of_a_file_needs_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable_of(CONNECTION), "anything")
    assert with_login("sqlite:////tmp/journal.db") == make_url("sqlite:////tmp/journal.db")


def test_entered_without_a_connection_is_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(variable_of(CONNECTION), raising=False)
    assert with_login("postgresql://db/almanac") == make_url("postgresql://db/almanac")
