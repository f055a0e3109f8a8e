"""Which question and which answer count, from rows of the journal alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.sections.promotion import Approval
from almanac.journal.journal import Journal
from almanac.journal.questions import NOBODY, exchange_of, record_question, same_run, why_not_valid
from almanac.journal.records import Decision, DecisionKind, RunRef

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
RUN = RunRef("train_weather", "r", 1, "airflow", "scheduled")
LIMIT = timedelta(hours=2)
ANYBODY = Approval(timeout=LIMIT)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def ask(journal: Journal, at: datetime = AT, subject: str = "weather@2") -> Decision:
    return record_question(journal, "weather", subject, ("why",), approval=ANYBODY, run=RUN, now=at)


def answer(accepted: bool, at: datetime, who: str = "grace", subject: str = "weather@2") -> Decision:
    return Decision(
        "weather", DecisionKind.APPROVAL, accepted, (who,), at, replace(RUN, started_by=who), subject, people=(who,)
    )


def test_exchange_of_several_answers_to_one_question_takes_the_newest(journal: Journal) -> None:
    question = ask(journal)
    for minutes, accepted in ((1, True), (2, False)):
        journal.record_decision(answer(accepted, AT + timedelta(minutes=minutes)))
    found = exchange_of(journal, "weather", "weather@2", RUN)
    assert found.question == question
    assert found.answer is not None
    assert not found.answer.accepted


def test_exchange_of_a_newer_question_leaves_the_answer_to_the_older_one_out(journal: Journal) -> None:
    ask(journal)
    journal.record_decision(answer(True, AT + timedelta(minutes=1)))
    newer = ask(journal, AT + timedelta(minutes=2))
    found = exchange_of(journal, "weather", "weather@2", RUN)
    assert (found.question, found.answer) == (newer, None)


def test_exchange_of_another_subject_and_of_other_kinds_is_not_seen(journal: Journal) -> None:
    question = ask(journal)
    ask(journal, AT + timedelta(minutes=1), "weather@3")
    journal.record_decision(answer(True, AT + timedelta(minutes=2), subject="weather@3"))
    other = Decision("weather", DecisionKind.PROMOTION, True, (), AT + timedelta(minutes=3), RUN, "weather@2")
    journal.record_decision(other)
    found = exchange_of(journal, "weather", "weather@2", RUN)
    assert (found.question, found.answer) == (question, None)


def test_exchange_of_an_answer_without_a_question_has_no_question(journal: Journal) -> None:
    given = answer(True, AT)
    journal.record_decision(given)
    found = exchange_of(journal, "weather", "weather@2", RUN)
    assert (found.question, found.answer) == (None, given)


@pytest.mark.parametrize("other", [replace(RUN, run_id="x"), replace(RUN, dag_id="x")], ids=["run", "dag"])
def test_same_run_needs_both_names(other: RunRef) -> None:
    assert not same_run(RUN, other)
    assert same_run(RUN, replace(RUN, try_number=2, started_by="ada"))


QUESTION = Decision(
    "weather",
    DecisionKind.QUESTION,
    True,
    ("why",),
    AT,
    RUN,
    "weather@2",
    people=("grace", "ada"),
    expires_at=AT + timedelta(hours=1),
)
ASKED_OF_TWO = Approval(timeout=LIMIT, users=("grace", "ada"))


def fault(given: Decision | None, question: Decision | None = QUESTION, approval=ASKED_OF_TWO, barred=None) -> str:
    return why_not_valid(question, given, approval, timeout=LIMIT, barred=barred or {})


def test_answer_of_who_was_asked_in_time_is_valid() -> None:
    assert fault(answer(True, AT)) == ""
    assert fault(answer(True, AT + timedelta(hours=1))) == ""  # the last moment counts


def test_answer_after_the_question_expired_is_not_valid() -> None:
    assert "after 2026-11-21 10:00:00" in fault(answer(True, AT + timedelta(hours=1, seconds=1)))


def test_answer_to_a_question_of_an_older_release_waits_for_the_timeout_of_today() -> None:
    """Its row does not say until when it waits."""
    old = replace(QUESTION, expires_at=None)
    assert fault(answer(True, AT + LIMIT), old) == ""
    assert "after 2026-11-21 11:00:00" in fault(answer(True, AT + LIMIT + timedelta(seconds=1)), old)


@pytest.mark.parametrize(
    ("question", "approval"),
    [(replace(QUESTION, people=("ada",)), ASKED_OF_TWO), (QUESTION, Approval(timeout=LIMIT, users=("ada",)))],
    ids=["was not asked", "may not by now"],
)
def test_answer_of_who_was_not_asked_or_may_no_longer_is_not_valid(question: Decision, approval: Approval) -> None:
    assert fault(answer(True, AT), question, approval).startswith("grace may not answer; got the user grace, expected")


def test_answer_of_anybody_is_valid_where_nobody_is_declared() -> None:
    assert fault(answer(True, AT, "eve"), replace(QUESTION, people=()), ANYBODY) == ""


def test_answer_of_nobody_is_not_valid_where_somebody_is_declared() -> None:
    silent = replace(answer(True, AT, NOBODY), people=())
    assert "may not answer" in fault(silent)


@pytest.mark.parametrize("given", [answer(True, AT, "Grace"), replace(answer(True, AT, "7"), people=("Grace",))])
def test_answer_of_who_is_barred_by_name_or_id_is_not_valid(given: Decision) -> None:
    anybody = replace(QUESTION, people=())
    assert fault(given, anybody, ANYBODY, {"grace": "trained the version"}).endswith(
        "trained the version, so somebody else must answer"
    )


def test_no_question_and_no_answer_are_distinguished() -> None:
    assert fault(answer(True, AT), None) == "no question of this run is in the journal"
    assert fault(None) == "the question of this run has no answer in the journal"
