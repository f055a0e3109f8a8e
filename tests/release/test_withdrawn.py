"""Whether a version was rolled back, by its tag and by the journal, and what takes that back."""

from datetime import UTC, datetime

import pytest

from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, Decision, DecisionKind, RunRef
from almanac.registry.records import ModelVersion, Tag
from almanac.release.withdrawn import rolled_back_at

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UP, DOWN, AWAY = ("", "2", "promote"), ("2", "1", "rollback"), ("2", "3", "promote")


@pytest.fixture
def journal(tmp_path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


@pytest.mark.parametrize(
    ("moves", "is_withdrawn"),
    [
        ((), False),
        ((UP,), False),
        ((UP, AWAY), False),  # replaced by a better one
        ((UP, DOWN), True),
        ((UP, DOWN, ("1", "3", "promote")), True),  # whatever came after it
        ((UP, DOWN, ("1", "2", "promote")), False),  # a person has put it back
        ((UP, DOWN, ("1", "2", "rollback")), False),  # in either way
        ((UP, DOWN, ("1", "2", "promote"), AWAY), False),
        ((UP, DOWN, ("1", "2", "promote"), DOWN), True),
    ],
)
def test_rolled_back_at_goes_by_how_it_left_production_last(journal, moves, is_withdrawn) -> None:
    for number, (left, came, kind) in enumerate(moves):
        run = RunRef(f"{kind}_weather", f"run {number}")
        if kind == "rollback":
            figures = {"from": float(left), "to": float(came)}
            journal.record_decision(
                Decision("weather", DecisionKind.ROLLBACK, True, ("bad",), NOW, run, f"weather@{came}", figures)
            )
        journal.record_alias_move(AliasMove("weather", "champion", left, came, "a test", NOW, run))
    assert rolled_back_at(journal, ModelVersion("weather", "run", {}, version="2")) == (
        NOW.isoformat() if is_withdrawn else ""
    )


def test_rolled_back_at_by_its_tag_where_the_journal_is_lost(journal) -> None:
    marked = ModelVersion("weather", "run", {Tag.ROLLED_BACK_AT: "2026-01-01"}, version="2")
    assert rolled_back_at(journal, marked) == "2026-01-01"
