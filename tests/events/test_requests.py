"""Each request for a retrain gets an answer that names it, once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.events.requests import answer_requests, pending_requests
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from tests.contexts import context_of
from tests.monitoring.world import WEATHER

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
TRAIN = RunRef("train_weather", "t")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def ask(
    journal: Journal,
    run_id: str,
    reason: str,
    *,
    minutes: int = 0,
    kind: DecisionKind = DecisionKind.ALARM,
    accepted: bool = True,
    figure: str = "retrain",
    dag_id: str = "monitor_weather",
) -> None:
    run, at = RunRef(dag_id, run_id), AT + timedelta(minutes=minutes)
    journal.record_decision(Decision("weather", kind, accepted, (reason,), at, run, "1", {figure: 1.0}))


def pending(journal: Journal, run: RunRef | None = None) -> list[tuple[str, ...]]:
    return [one.reasons for one in pending_requests(journal, WEATHER, run)]


def answer(journal: Journal, run: RunRef = TRAIN, *, minutes: int = 5, accepted: bool = False) -> None:
    at = AT + timedelta(minutes=minutes)
    requests = pending_requests(journal, WEATHER, run)
    decision = Decision("weather", DecisionKind.TRAINING, accepted, ("cooldown",), at, run, "retrain_request")
    journal.record_decision(decision)
    answer_requests(context_of(Home(), run, at, journal=journal), WEATHER, requests, decision)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_requests_that_one_run_answers_are_each_answered_by_name(journal: Journal, count: int) -> None:
    for number in range(count):
        ask(journal, f"m{number}", f"reason {number}", minutes=number)
    answer(journal)
    decisions = [one.reasons for one in journal.decisions("weather", DecisionKind.RETRAIN_ANSWER)]
    assert sorted(decisions) == [(f"asked by m{number}: reason {number}", "cooldown") for number in range(count)]
    assert pending(journal) == []


def test_request_that_comes_while_another_is_answered_waits_for_the_next_run(journal: Journal) -> None:
    ask(journal, "first", "F1 fell")
    requests = pending_requests(journal, WEATHER, TRAIN)
    ask(journal, "second", "drift", minutes=1)
    decision = Decision("weather", DecisionKind.TRAINING, True, ("yes",), AT + timedelta(minutes=2), TRAIN, "x")
    journal.record_decision(decision)
    answer_requests(context_of(Home(), TRAIN, AT, journal=journal), WEATHER, requests, decision)
    assert pending(journal) == [("drift",)]
    answer(journal, RunRef("train_weather", "next"))
    assert pending(journal) == []


def test_request_is_answered_once_however_often_the_run_is_tried(journal: Journal) -> None:
    ask(journal, "m", "F1 fell")
    answer(journal)
    assert pending(journal, TRAIN) == [("F1 fell",)]  # a later try of the same run goes on
    answer(journal)
    assert len(journal.decisions("weather", DecisionKind.RETRAIN_ANSWER)) == 1


def test_request_of_a_person_has_both_reasons_and_an_answer_of_its_own(journal: Journal) -> None:
    ask(journal, "m", "F1 fell", figure="ask")
    ask(journal, "m", "grace decided: retrain", minutes=1, kind=DecisionKind.ACTION)
    assert pending(journal) == [("grace decided: retrain", "F1 fell")]
    answer(journal)
    assert pending(journal) == []


NO_REQUESTS = {
    "refused": {"accepted": False},
    "for something else": {"figure": "previous"},
    "of another DAG": {"dag_id": "train_weather"},
}


@pytest.mark.parametrize("more", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_record_that_is_no_request_asks_for_nothing(journal: Journal, more: dict[str, bool | str]) -> None:
    ask(journal, "m", "F1 fell", **more)  # type: ignore[arg-type] # each of its type
    assert pending(journal) == []


def test_request_that_a_later_try_took_back_is_none(journal: Journal) -> None:
    ask(journal, "m", "F1 fell")
    ask(journal, "m", "nothing is left to do", minutes=1, accepted=False, figure="none")
    assert pending(journal) == []


def test_request_that_an_earlier_release_answered_is_not_answered_again(journal: Journal) -> None:
    ask(journal, "old", "F1 fell")
    at = AT + timedelta(minutes=1)
    old = Decision("weather", DecisionKind.TRAINING, True, ("F1 fell",), at, TRAIN, "retrain_request")
    journal.record_decision(old)
    ask(journal, "new", "drift", minutes=2)
    assert pending(journal) == [("drift",)]
