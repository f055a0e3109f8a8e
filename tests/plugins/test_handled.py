"""A run remembers what it has handled; what an event and the sweep both trigger is done once."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.sections.pipelines import Pipeline
from almanac.config.sections.triggers import ScheduleTrigger, WindowTrigger
from almanac.errors import AlmanacError
from almanac.events.handled import handled as marks_of
from almanac.events.handled import windows_missed
from almanac.journal.journal import Journal
from almanac.journal.records import (
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    RunRef,
    WindowRecord,
    WindowState,
)
from almanac_airflow import events, runs
from almanac_airflow.events import require_event, triggering_events
from almanac_airflow.handled import handled_before, handling
from almanac_airflow.runs import run_context
from tests.monitoring.world import WEATHER

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
MONITOR = RunRef("monitor_weather", "m")
MODEL = WEATHER.model_copy(
    update={
        "triggers": {"nightly": ScheduleTrigger(kind="schedule", cron=("0 2 * * *",))},
        "pipelines": {"train": Pipeline(when="dataset or retrain_request or (champion and nightly)")},
    }
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr("almanac.registry.store.Registry.of", lambda _home: SimpleNamespace(aliases=lambda _model: {}))
    return Home(home=tmp_path)


@pytest.fixture
def journal(home: Home) -> Journal:
    return Journal(home.journal_url)


def runs_now(
    monkeypatch: pytest.MonkeyPatch,
    run_id: str,
    *assets: str,
    kind: str = "asset_triggered",
    key: str | None = None,
    source: RunRef | None = None,
) -> None:
    run = SimpleNamespace(
        dag_id="train_weather",
        run_id=run_id,
        run_type=SimpleNamespace(value=kind),
        triggering_user_name=None,
        partition_key=key,
    )
    of = {"source_dag_id": source.dag_id, "source_run_id": source.run_id} if source else {}
    groups = {
        name: [
            SimpleNamespace(
                **{"asset": SimpleNamespace(name=name), "extra": {}, "source_dag_id": None, "source_run_id": None, **of}
            )
        ]
        for name in assets
    }
    context = {"triggering_asset_events": groups, "dag_run": run, "ti": SimpleNamespace(try_number=1)}
    for module in (runs, events):
        monkeypatch.setattr(module, "get_current_context", lambda: context)


def publish(journal: Journal, version: int = 0) -> None:
    journal.record_batch(
        BatchRecord(
            "weather",
            f"{version:064}",
            "u",
            1,
            AT,
            BatchState.PUBLISHED,
            1,
            1,
            0,
            0,
            AT,
            MONITOR,
            dataset_version=version,
        )
    )


def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    runs_now(monkeypatch, "sweep__2026-11-21__abc", kind="operator_triggered")


def work(home: Home) -> None:
    with handling(run_context(home), MODEL, "train"):
        pass


def test_run_of_the_sweep_is_triggering_events_what_is_not_handled(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    sweeps(monkeypatch)
    require_event(run_context(home), MODEL, "train")
    assert "dataset_weather" in triggering_events(run_context(home), MODEL, "train").names


def test_run_of_the_sweep_skips_what_an_event_s_run_has_handled_meanwhile(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    runs_now(monkeypatch, "by event", "dataset_weather")
    require_event(run_context(home), MODEL, "train")
    work(home)
    sweeps(monkeypatch)
    with pytest.raises(AirflowSkipException, match="was handled meanwhile"):
        require_event(run_context(home), MODEL, "train")


def test_run_of_an_event_skips_what_the_sweep_s_run_has_handled_before(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    sweeps(monkeypatch)
    work(home)
    runs_now(monkeypatch, "by event", "dataset_weather")
    with pytest.raises(AirflowSkipException, match="sweep__2026-11-21__abc has handled dataset: version 0"):
        require_event(run_context(home), MODEL, "train")
    publish(journal, version=1)
    require_event(run_context(home), MODEL, "train")


def test_run_that_is_cleared_does_again_what_it_has_handled_itself(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    runs_now(monkeypatch, "by event", "dataset_weather")
    work(home)
    require_event(run_context(home), MODEL, "train")
    assert triggering_events(run_context(home), MODEL, "train").names == {"dataset_weather"}


def test_schedule_counts_at_each_tick(monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal) -> None:
    """Its event comes a little later than the tick, so that a run between the two would take it away."""
    runs_now(monkeypatch, "first", "nightly.weather")
    work(home)
    assert "nightly" in marks_of(journal, MODEL, "train")
    runs_now(monkeypatch, "second", "nightly.weather")
    assert handled_before(run_context(home), MODEL, "train") == {}
    assert triggering_events(run_context(home), MODEL, "train").names == {"nightly.weather"}


def test_handling_remembers_work_that_is_skipped_and_not_work_that_fails(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    runs_now(monkeypatch, "by event", "dataset_weather")
    with pytest.raises(KeyError), handling(run_context(home), MODEL, "train"):
        raise KeyError("a fault")
    assert marks_of(journal, MODEL, "train") == {}
    with pytest.raises(AirflowSkipException), handling(run_context(home), MODEL, "train"):
        raise AirflowSkipException("nothing to do")
    assert "dataset" in marks_of(journal, MODEL, "train")


def test_handling_remembers_what_was_there_before_the_work(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    runs_now(monkeypatch, "by event", "dataset_weather")
    with handling(run_context(home), MODEL, "train"):
        publish(journal, version=1)
    assert marks_of(journal, MODEL, "train")["dataset"].value.startswith("version 0, ")


def test_handling_a_part_that_a_person_chose_is_not_remembered(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    runs_now(monkeypatch, "by hand", kind="manual")
    with handling(run_context(home), MODEL, "train", whole=False):
        pass
    assert marks_of(journal, MODEL, "train") == {}


def test_handling_reads_no_state_that_the_task_is_not_about(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    publish(journal)
    log = home.home / "predictions" / "weather" / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020}.json").write_text("damaged", "utf-8")
    runs_now(monkeypatch, "by event", "dataset_weather")
    with handling(run_context(home), MODEL, "backup_data", "dataset"):
        pass
    assert marks_of(journal, MODEL, "backup_data").keys() == {"dataset"}
    with pytest.raises(AlmanacError), handling(run_context(home), MODEL, "backup_data", "predictions"):
        pass


def test_handling_for_a_window_remembers_that_window_alone(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    daily = WindowTrigger(kind="window", size="1d", start="2026-01-01T00:00:00Z")
    model = WEATHER.model_copy(update={"triggers": {"daily": daily}, "pipelines": {"score": Pipeline(when="daily")}})
    start = datetime(2026, 1, 3, tzinfo=UTC)
    windows = [
        WindowRecord(
            "weather",
            start + timedelta(days=day),
            start + timedelta(days=day + 1),
            WindowState.DONE,
            AT,
            MONITOR,
            rows=24,
            content=f"c{day}",
        )
        for day in range(2)
    ]
    for window in windows:
        journal.record_window(window)
    runs_now(monkeypatch, "for a day", key="2026-01-03T00:00:00")
    with handling(run_context(home), model, "score"):
        pass
    assert windows_missed(journal, model) == windows[1:]


def request(journal: Journal, run_id: str, reason: str) -> None:
    run = RunRef("monitor_weather", run_id)
    journal.record_decision(Decision("weather", DecisionKind.ALARM, True, (reason,), AT, run, figures={"retrain": 1.0}))


def test_training_that_one_request_triggers_has_the_reasons_of_all_that_wait(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    request(journal, "m", "F1 fell")
    request(journal, "n", "drift")
    runs_now(monkeypatch, "by event", "retrain_request_weather", source=MONITOR)
    assert set(triggering_events(run_context(home), MODEL, "train").reasons["retrain_request_weather"].split("; ")) == {
        "F1 fell",
        "drift",
    }


@pytest.mark.parametrize(
    ("kind", "assets", "answers"),
    [("scheduled", (), True), ("asset_triggered", ("dataset_weather",), True), ("manual", (), False)],
)
def test_training_that_something_else_triggers_answers_what_waits_unless_a_person_started_it(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal, kind: str, assets: tuple[str, ...], answers: bool
) -> None:
    request(journal, "m", "F1 fell")
    runs_now(monkeypatch, "r", *assets, kind=kind)
    assert ("retrain_request_weather" in triggering_events(run_context(home), MODEL, "train").names) is answers


def test_run_that_a_person_gave_a_name_of_the_sweep_is_a_person_s(
    monkeypatch: pytest.MonkeyPatch, home: Home, journal: Journal
) -> None:
    runs_now(monkeypatch, "sweep__2026-11-21__abc", kind="manual")
    assert not runs.is_swept()
    runs_now(monkeypatch, "manual__2026-11-21", kind="operator_triggered")
    assert not runs.is_swept()
