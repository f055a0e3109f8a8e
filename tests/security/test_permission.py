"""Anyone who may start a restore or a large deletion is not by that alone who may approve it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.sections.promotion import Approval
from almanac.errors import ApprovalError
from almanac.journal.journal import Journal
from almanac.journal.permission import require_permission
from almanac.journal.records import Decision, DecisionKind, RunRef

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
RUN = RunRef("restore", "r", 1, "grace", "manual")
WHAT = "restore dataset/weather live"
LIMIT = timedelta(hours=2)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def start(
    journal: Journal, starter: str, *, what: str = WHAT, run: RunRef = RUN, at: datetime = AT, **approval: object
) -> None:
    declared = Approval(**{"users": ("grace", "ada"), "timeout": LIMIT, **approval})
    require_permission(journal, declared, what, starter=starter, run=run, now=at)


def rows(journal: Journal) -> list[Decision]:
    return journal.decisions("", DecisionKind.APPROVAL)


def test_declared_starter_goes_on_and_is_in_the_journal_once(journal: Journal) -> None:
    start(journal, "grace")
    start(journal, "grace", at=AT + LIMIT)  # the next task of the run, or another try
    (row,) = rows(journal)
    assert (row.accepted, row.subject, row.reasons, row.people) == (True, WHAT, ("approved by grace",), ("grace",))


REFUSED: dict[str, tuple[str, dict[str, object], str]] = {
    "not declared": ("eve", {}, "eve may start it, but not approve it"),
    "not known": ("", {}, "nobody is known to have started this run by hand"),
    "not known where nobody is declared": ("", {"users": ()}, "nobody is known to have started"),
    "a name that is another's number": ("7", {"users": ("7",)}, "7 may start it, but not approve it"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_starter_who_may_not_approve_is_refused_in_writing(
    journal: Journal, case: tuple[str, dict[str, object], str]
) -> None:
    starter, approval, why = case
    with pytest.raises(ApprovalError, match=f"{WHAT}: {why}.*Nothing was done. Expected a run started by hand by"):
        start(journal, starter, **approval)
    (row,) = rows(journal)
    assert (row.accepted, row.people) == (False, ())
    assert why in row.reasons[0]


def test_anybody_whom_airflow_names_may_where_nobody_is_declared(journal: Journal) -> None:
    start(journal, "admin", users=())
    assert rows(journal)[0].accepted


def test_run_that_is_cleared_long_after_its_approval_is_refused(journal: Journal) -> None:
    start(journal, "grace")
    with pytest.raises(ApprovalError, match="it was approved at 2026-11-21 09:00 UTC, and that has run out"):
        start(journal, "grace", at=AT + LIMIT + timedelta(seconds=1))


def test_approval_of_another_run_or_thing_does_not_count(journal: Journal) -> None:
    start(journal, "grace")
    for more in ({"run": replace(RUN, run_id="other")}, {"what": "restore dataset/ships live"}):
        with pytest.raises(ApprovalError):
            start(journal, "eve", **more)  # type: ignore[arg-type]


def test_four_eyes_need_two_who_start_the_same(journal: Journal) -> None:
    with pytest.raises(ApprovalError, match="four eyes: grace is the first to ask for it; let somebody else start the"):
        start(journal, "grace", four_eyes=True)
    again = {"four_eyes": True, "run": replace(RUN, run_id="second")}
    with pytest.raises(ApprovalError, match="grace is the first"):
        start(journal, "grace", **again)
    start(journal, "ada", **{**again, "run": replace(RUN, run_id="third")})
    assert rows(journal)[0].reasons == ("approved by ada",)


SECOND: dict[str, dict[str, object]] = {
    "another thing": {"what": "restore dataset/ships live"},
    "too late": {"at": AT + LIMIT + timedelta(seconds=1)},
}


@pytest.mark.parametrize("more", SECOND.values(), ids=SECOND)
def test_four_eyes_second_must_want_the_same_soon(journal: Journal, more: dict[str, object]) -> None:
    with pytest.raises(ApprovalError):
        start(journal, "grace", four_eyes=True)
    with pytest.raises(ApprovalError, match="ada is the first"):
        start(journal, "ada", four_eyes=True, run=replace(RUN, run_id="second"), **more)  # type: ignore[arg-type]


def test_four_eyes_do_not_take_somebody_who_may_not_as_the_first(journal: Journal) -> None:
    with pytest.raises(ApprovalError):
        start(journal, "eve", four_eyes=True)
    with pytest.raises(ApprovalError, match="grace is the first"):
        start(journal, "grace", four_eyes=True, run=replace(RUN, run_id="second"))
