"""What the monitor does on an alarm that wants the version before."""

from dataclasses import replace

import pytest

from almanac.journal.records import DecisionKind
from almanac.monitoring.execute_actions import put_previous_back
from almanac.release.promotion import promote
from tests.contexts import context_of
from tests.training.conftest import NOW


@pytest.fixture
def put_back(registry, model, home, journal, run):
    def put(champion: str = "2", run_id: str = "monitor"):
        at = replace(run, dag_id="monitor_weather", run_id=run_id)
        context = context_of(home, at, NOW, journal=journal, registry=registry)
        return put_previous_back(context, model, champion, ["F1 fell", "twice"])

    return put


def test_put_previous_back_makes_it_champion_with_the_reasons(registry, model, journal, two, put_back) -> None:
    assert put_back() == "1"
    assert registry.aliases(model.name)["champion"] == "1"
    (decision,) = journal.decisions(model.name, DecisionKind.ROLLBACK)
    assert decision.reasons == ("from version 2 to version 1: F1 fell; twice",)


def test_put_previous_back_tried_again_says_the_same(journal, model, two, put_back) -> None:
    assert (put_back(), put_back()) == ("1", "1")
    assert len(journal.decisions(model.name, DecisionKind.ROLLBACK)) == 1


def test_put_previous_back_other_champion_by_now_moves_nothing(registry, model, two, put_back) -> None:
    """A person was faster; the alarm was about the version that is gone."""
    assert put_back(champion="1") is None
    assert registry.aliases(model.name)["champion"] == "2"


def test_put_previous_back_without_one_moves_nothing(registry, model, journal, run, stock, kept, put_back) -> None:
    stock(kept)
    promote(registry, model, "1", reason="passed", run=run, journal=journal, now=NOW)
    assert put_back(champion="1") is None
