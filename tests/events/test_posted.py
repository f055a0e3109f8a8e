"""k posted events give k decisions: whenever they come, anyone who looks, and however often a look dies half way."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from almanac.config.grammar.payload import PayloadField
from almanac.config.home import Home
from almanac.config.sections.triggers import EventTrigger
from almanac.errors import TransientError
from almanac.events import posted
from almanac.events.checking import PostedEvent, check_event
from almanac.events.posted import Posting, decide_postings, look_from, undecided
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from tests.contexts import context_of
from tests.monitoring.world import WEATHER

BEGIN = datetime(2026, 11, 30, tzinfo=UTC)
RUN = RunRef("event_weather", "e")
TIDES = EventTrigger(kind="event", payload={"height_m": PayloadField(type="number", max=3)})
MODEL = WEATHER.model_copy(update={"triggers": {"tides": TIDES}})
PAYLOADS: list[dict[str, object]] = [{"height_m": 1}, {"height_m": "high"}, {"height_m": 99}, {}]


class Rows:
    """Airflow's rows, as a task reads them."""

    def __init__(self) -> None:
        self.all: list[Posting] = []

    def post(self, payload: dict[str, object], at: datetime) -> None:
        self.all.append(Posting(len(self.all), at, PostedEvent("tides", payload)))

    def since(self, journal: Journal) -> list[Posting]:
        since = look_from(journal, "weather", "tides")
        return [one for one in self.all if since is None or one.posted_at >= since]


def look(rows: Rows, journal: Journal, run: RunRef, at: datetime) -> list[tuple[PostedEvent, Decision]]:
    return decide_postings(context_of(Home(), run, at, journal=journal), MODEL, rows.since(journal))


# What happens next: an event of this payload comes; a run looks; a run looks and dies after so many decisions.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, len(PAYLOADS) - 1)),
        st.tuples(st.just("look"), st.just(0)),
        st.tuples(st.just("die"), st.integers(0, 2)),
        st.tuples(st.just("hours"), st.integers(1, 5)),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_postings_each_has_one_decision_with_its_reason(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    journal, rows, at = Journal(f"sqlite:///{tmp_path_factory.mktemp('j')}/journal.db"), Rows(), BEGIN
    for number, (what, how_many) in enumerate(steps):
        at += timedelta(seconds=1)
        if what == "post":
            rows.post(PAYLOADS[how_many], at)
        elif what == "hours":
            at += timedelta(hours=how_many)
        elif what == "look":
            look(rows, journal, RunRef("event_weather", str(number)), at)
        else:
            _look_and_die(rows, journal, RunRef("event_weather", str(number)), at, how_many)
    look(rows, journal, RUN, at)
    decided = journal.caused("weather", DecisionKind.EVENT, [one.cause for one in rows.all])
    assert len(journal.decisions("weather", DecisionKind.EVENT)) == len(decided) == len(rows.all)
    for one in rows.all:
        decision = decided[one.cause]
        assert decision.accepted is (one.event.payload == {"height_m": 1})
        assert decision.accepted or decision.reasons[0].startswith("height_m: ")


def _look_and_die(rows: Rows, journal: Journal, run: RunRef, at: datetime, after: int) -> None:
    left = iter(range(after))

    def check(*args: Any, **more: Any) -> Decision:
        if next(left, None) is None:
            raise TransientError("killed")
        return check_event(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(posted, "check_event", check)
        try:
            look(rows, journal, run, at)
        except TransientError:
            return


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def test_postings_of_two_looks_at_once_are_each_decided_by_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look has seen the events as undecided before the first one wrote."""
    rows = Rows()
    rows.post({"height_m": 1}, BEGIN)
    monkeypatch.setattr(posted, "undecided", lambda _journal, _model, postings: list(postings))
    assert len(look(rows, journal, RUN, BEGIN)) == 1
    assert look(rows, journal, RunRef("event_weather", "other"), BEGIN) == []
    assert len(journal.decisions("weather", DecisionKind.EVENT)) == 1


def test_postings_decided_at_an_earlier_try_of_the_run_are_given_again(journal: Journal) -> None:
    rows = Rows()
    rows.post({"height_m": 1}, BEGIN)
    assert look(rows, journal, RUN, BEGIN) == look(rows, journal, RUN, BEGIN) != []


def test_posting_stored_late_with_an_earlier_time_is_decided(journal: Journal) -> None:
    rows = Rows()
    rows.post({"height_m": 1}, BEGIN + timedelta(minutes=30))
    look(rows, journal, RUN, BEGIN + timedelta(minutes=30))
    rows.post({"height_m": 2}, BEGIN)
    assert undecided(journal, "weather", rows.since(journal)) == [rows.all[1]]


def test_postings_of_a_new_database_of_airflow_are_others(journal: Journal) -> None:
    first, second = Rows(), Rows()
    first.post({"height_m": 1}, BEGIN)
    second.post({"height_m": 1}, BEGIN + timedelta(minutes=1))
    look(first, journal, RUN, BEGIN)
    assert len(look(second, journal, RunRef("event_weather", "other"), BEGIN)) == 1


def test_look_from_goes_on_where_a_release_without_causes_stopped(journal: Journal) -> None:
    old = Decision("weather", DecisionKind.EVENT, True, ("as declared",), BEGIN, RUN, "tides")
    journal.record_decision(old)
    rows = Rows()
    rows.post({"height_m": 1}, BEGIN - timedelta(minutes=1))
    rows.post({"height_m": 2}, BEGIN + timedelta(minutes=1))
    assert [event.payload for event, _ in look(rows, journal, RunRef("event_weather", "new"), BEGIN)] == [
        {"height_m": 2}
    ]
