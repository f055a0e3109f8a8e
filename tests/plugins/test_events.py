"""An event is only a signal: what it claims is looked up, and what nobody has recorded is refused in writing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.grammar.payload import PayloadField
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import Kind, Pipeline
from almanac.config.sections.triggers import EventTrigger, ScheduleTrigger, WindowTrigger
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef, WindowRecord, WindowState
from almanac_airflow import events, runs
from almanac_airflow.events import require_event, triggering_events
from almanac_airflow.runs import run_context
from tests.monitoring.world import WEATHER

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
MONITOR, DOOR = RunRef("monitor_weather", "m"), RunRef("event_weather", "e")
DAY = "2026-01-03T00:00:00"
MODEL = WEATHER.model_copy(
    update={
        "triggers": {
            "tides": EventTrigger(kind="event", payload={"height_m": PayloadField(type="number", max=3)}),
            "nightly": ScheduleTrigger(kind="schedule", cron=("0 2 * * *",)),
            "daily": WindowTrigger(kind="window", size="1d", start="2026-01-01T00:00:00Z"),
        },
        "pipelines": {
            "ingest": Pipeline(when="arrival or schedule or (tides and nightly)"),
            "score": Pipeline(when="daily"),
        },
    }
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path)


@pytest.fixture
def journal(home: Home) -> Journal:
    return Journal(home.journal_url)


def event(asset: str, source: RunRef | None = None, **extra: Any) -> Any:
    return SimpleNamespace(
        asset=SimpleNamespace(name=asset),
        extra=extra,
        source_dag_id=source.dag_id if source else None,
        source_run_id=source.run_id if source else None,
    )


def emitted(monkeypatch: pytest.MonkeyPatch, *found: Any, key: str | None = None, run_id: str = "r") -> None:
    run = SimpleNamespace(
        dag_id="train_weather",
        run_id=run_id,
        run_type=SimpleNamespace(value="asset_triggered"),
        triggering_user_name=None,
        partition_key=key,
    )
    groups = {number: [each] for number, each in enumerate(found)}
    context = {"triggering_asset_events": groups, "dag_run": run, "ti": SimpleNamespace(try_number=1)}
    monkeypatch.setattr(runs, "get_current_context", lambda: context)
    monkeypatch.setattr(events, "get_current_context", lambda: context)


def write(
    journal: Journal,
    kind: DecisionKind,
    run: RunRef,
    *reasons: str,
    accepted: bool = True,
    at: datetime = AT,
    subject: str = "",
    **figures: float,
) -> None:
    journal.record_decision(Decision("weather", kind, accepted, reasons, at, run, subject, figures))


def refusals(journal: Journal) -> list[str]:
    return [one.reasons[0] for one in journal.decisions("weather", DecisionKind.EVENT) if not one.accepted]


def counted(home: Home, model: Model = MODEL, kind: Kind = "train") -> events.TriggeringEvents:
    return triggering_events(run_context(home), model, kind)


def test_retrain_request_has_the_reasons_of_the_monitors_record_not_of_the_event(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    write(journal, DecisionKind.ALARM, MONITOR, "F1 fell", retrain=1.0)
    emitted(monkeypatch, event("retrain_request_weather", MONITOR, reason="because I say so"))
    assert counted(home).reasons == {"retrain_request_weather": "F1 fell"}


def test_retrain_request_of_a_person_has_the_answer_and_what_was_asked(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    write(journal, DecisionKind.ALARM, MONITOR, "F1 fell", ask=1.0)
    write(journal, DecisionKind.ACTION, MONITOR, "grace decided: retrain", retrain=1.0)
    emitted(monkeypatch, event("retrain_request_weather", MONITOR))
    assert counted(home).reasons == {"retrain_request_weather": "grace decided: retrain; F1 fell"}


FORGED = {
    "posted by REST": (None, {}),
    "emitted by another DAG": (RunRef("train_weather", "m"), {}),
    "of a run that wrote nothing": (RunRef("monitor_weather", "other"), {}),
}


@pytest.mark.parametrize("source", [of for of, _ in FORGED.values()], ids=FORGED)
def test_retrain_request_without_a_record_is_refused_in_writing_once(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, source: RunRef | None
) -> None:
    write(journal, DecisionKind.ALARM, MONITOR, "F1 fell", retrain=1.0)
    emitted(monkeypatch, event("retrain_request_weather", source, reason="because I say so"))
    for _ in range(2):
        assert counted(home).names == frozenset()
    (text,) = refusals(journal)
    assert text.startswith("an event of retrain_request_weather is refused: no record of monitor_weather asks for a ")


@pytest.mark.parametrize(("accepted", "figure"), [(False, "retrain"), (True, "previous")])
def test_retrain_request_needs_an_accepted_record_of_a_retrain(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, accepted: bool, figure: str
) -> None:
    write(journal, DecisionKind.ACTION, MONITOR, "grace decided", accepted=accepted, **{figure: 1.0})
    emitted(monkeypatch, event("retrain_request_weather", MONITOR))
    assert counted(home).refused


@pytest.mark.parametrize(
    ("run_id", "minutes", "subject", "counts"),
    [
        ("other", 1, "retrain_request", False),
        ("r", 1, "retrain_request", True),
        ("other", -1, "retrain_request", True),
        ("other", 1, "new_data", True),
    ],
)
def test_retrain_request_is_answered_once(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, run_id: str, minutes: int, subject: str, counts: bool
) -> None:
    """A task of the monitor that is cleared emits its event again, months later."""
    write(journal, DecisionKind.ALARM, MONITOR, "F1 fell", retrain=1.0)
    answered, at = RunRef("train_weather", run_id), AT + timedelta(minutes=minutes)
    write(journal, DecisionKind.TRAINING, answered, "cooldown", accepted=False, at=at, subject=subject)
    emitted(monkeypatch, event("retrain_request_weather", MONITOR))
    assert (counted(home).refused == ()) is counts


@pytest.mark.parametrize(("found", "names"), [("the declaration changed", {"change_weather"}), ("", set())])
def test_change_is_looked_for_again(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, found: str, names: set[str]
) -> None:
    monkeypatch.setattr("almanac.training.changes.find_change", lambda *_: found)
    emitted(monkeypatch, event("change_weather", reason="because I say so"))
    result = counted(home)
    assert result.names == names
    assert result.reasons == ({"change_weather": found} if found else {})


def test_event_that_was_accepted_counts(monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal) -> None:
    write(journal, DecisionKind.EVENT, DOOR, "as declared", subject="tides")
    emitted(monkeypatch, event("tides.weather", DOOR, payloads=[{"height_m": 1.5}]), event("nightly.weather"))
    require_event(run_context(home), MODEL, "ingest")
    assert counted(home, kind="ingest").names == {"tides.weather", "nightly.weather"}


PAST_THE_CHECK: dict[str, tuple[RunRef | None, Any, str, bool, str]] = {
    "posted to the inner asset": (None, [{"height_m": 1.5}], "tides", True, "it was posted past event_weather"),
    "emitted by another DAG": (
        RunRef("x", "e"),
        [{"height_m": 1.5}],
        "tides",
        True,
        "it was posted past event_weather",
    ),
    "of a run that refused it": (DOOR, [{"height_m": 1.5}], "tides", False, "no accepted event of run e"),
    "accepted of another trigger": (DOOR, [{"height_m": 1.5}], "storms", True, "no accepted event of run e"),
    "with a payload that was exchanged": (DOOR, [{"height_m": 99}], "tides", True, "height_m: "),
    "with a payload of another form": (DOOR, ["rm -rf"], "tides", True, "payload: unknown field"),
    "with payloads that are no list": (DOOR, "rm -rf", "tides", True, "its payloads are not a list; got str"),
}


@pytest.mark.parametrize("case", PAST_THE_CHECK.values(), ids=PAST_THE_CHECK)
def test_event_past_the_check_triggers_nothing(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, case: tuple[RunRef | None, Any, str, bool, str]
) -> None:
    source, payloads, subject, accepted, text = case
    write(journal, DecisionKind.EVENT, DOOR, "checked", accepted=accepted, subject=subject)
    emitted(monkeypatch, event("tides.weather", source, payloads=payloads), event("nightly.weather"))
    with pytest.raises(AirflowSkipException, match=r"an event of tides\.weather is refused: ") as skipped:
        require_event(run_context(home), MODEL, "ingest")
    assert text in str(skipped.value)
    assert text in refusals(journal)[0]


def test_event_that_is_refused_stops_no_run_that_another_one_triggers(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    emitted(monkeypatch, event("tides.weather"), event("landing_weather"))
    require_event(run_context(home), MODEL, "ingest")
    assert len(refusals(journal)) == 1


@pytest.mark.parametrize("state", WindowState)
@pytest.mark.parametrize("listed", [True, False], ids=["with its event", "without"])
def test_window_triggers_scoring_once_it_has_closed(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, state: WindowState, listed: bool
) -> None:
    start = datetime(2026, 1, 3, tzinfo=UTC)
    journal.record_window(WindowRecord("weather", start, start + timedelta(days=1), state, AT, RunRef("w", "w")))
    emitted(monkeypatch, *([event("window_weather")] if listed else []), key=DAY)
    if state in (WindowState.DONE, WindowState.EMPTY, WindowState.LATE, WindowState.RUNNING):
        require_event(run_context(home), MODEL, "score")
    else:
        with pytest.raises(AirflowSkipException, match="has not closed, according to the journal; it is"):
            require_event(run_context(home), MODEL, "score")


@pytest.mark.parametrize(("key", "said"), [(DAY, "it is unknown"), ("2026-01-03T05:00:00", "expected the start of a")])
def test_window_that_nobody_closed_triggers_nothing(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, key: str, said: str
) -> None:
    emitted(monkeypatch, event("window_weather"), key=key)
    with pytest.raises(AirflowSkipException, match=said):
        require_event(run_context(home), MODEL, "score")


@pytest.mark.parametrize("kind", ["ingest", "train", "score", "monitor"])
def test_run_that_no_event_has_triggered_goes_on(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, kind: Kind
) -> None:
    emitted(monkeypatch)
    assert require_event(run_context(home), MODEL, kind) is None  # anything else would be a skip, which is an exception
