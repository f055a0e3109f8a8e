"""What no event has triggered is found by its state, started once, and told: for every DAG that waits for events."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.alerts.notifier import Notifier
from almanac.config.grammar.payload import PayloadField
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.pipelines import Pipeline
from almanac.config.sections.triggers import DependencyTrigger, EventTrigger, ScheduleTrigger, WindowTrigger
from almanac.errors import TransientError
from almanac.events.checking import PostedEvent
from almanac.events.handled import (
    find_missed,
    handled,
    read_states,
    record_handled,
    record_window_handled,
    waiting_dag,
    waiting_dags,
    windows_missed,
)
from almanac.events.posted import Posting, decide_postings
from almanac.events.states import States
from almanac.events.sweep import DagState, Sweep, sweep
from almanac.journal.journal import Journal
from almanac.journal.records import (
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    RunRef,
    SnapshotRecord,
    WindowRecord,
    WindowState,
)
from almanac.registry.run_context import RunContext
from almanac.scoring.pause import stop_scoring
from tests.contexts import context_of
from tests.monitoring.world import WEATHER

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUN = RunRef("sweep", "s")
MODEL = WEATHER.model_copy(
    update={
        "triggers": {
            "tides": EventTrigger(kind="event", payload={"height_m": PayloadField(type="number", max=3)}),
            "nightly": ScheduleTrigger(kind="schedule", cron=("0 2 * * *",)),
            "theirs": DependencyTrigger(kind="dependency", model="ships", on="training"),
            "ships": DependencyTrigger(kind="dependency", model="ships"),
            "daily": WindowTrigger(kind="window", size="1d", start="2026-01-01T00:00:00Z"),
        },
        "pipelines": {
            "ingest": Pipeline(when="schedule or tides or theirs"),
            "train": Pipeline(when="dataset or retrain_request"),
            "score": Pipeline(when="dataset or champion or ships"),
            "monitor": Pipeline(when="predictions or schedule"),
        },
        "shadow": WEATHER.model_validate({**WEATHER.model_dump(), "shadow": {"rows": 300}}).shadow,
    }
)


class Registry:
    """Aliases, by model; away when it is told so."""

    def __init__(self) -> None:
        self.named: dict[str, dict[str, str]] = {}
        self.away = False

    def aliases(self, model: str) -> dict[str, str]:
        if self.away:
            raise TransientError("MLflow is away")
        return self.named.get(model, {})


@dataclass
class Dags:
    """All DAGs are there and idle, unless it is said otherwise; runs that were started, by DAG."""

    said: dict[str, DagState | None] = field(default_factory=dict)
    runs: list[tuple[str, str]] = field(default_factory=list)
    posted: list[Posting] = field(default_factory=list)

    def standing(self, dag_id: str) -> DagState | None:
        return self.said.get(dag_id, DagState())

    def start(self, dag_id: str, run_id: str, *, note: str) -> bool:
        if (dag_id, run_id) in self.runs:
            return False
        self.runs.append((dag_id, run_id))
        return True

    def postings(self, model: Model, trigger: str) -> list[Posting]:
        return self.posted


class Nobody:
    """Reaches nobody: what is told stands in the log."""

    def reaches(self, channel: object) -> bool:
        return False

    def send(self, channel: object, message: object) -> None:
        raise AssertionError("nobody is reached")


@dataclass
class World:
    home: Home
    journal: Journal
    registry: Registry = field(default_factory=Registry)
    dags: Dags = field(default_factory=Dags)
    told: list[str] = field(default_factory=list)
    now: datetime = NOW

    def context(self, run: RunRef = RUN) -> RunContext:
        return context_of(self.home, run, self.now, journal=self.journal, registry=self.registry)

    def states(self) -> States:
        return States(self.context())

    def sweep(self, *models: Model) -> list[str]:
        """Sweep; gives the DAGs that were started."""
        found = Sweep(self.context(), models or (MODEL,), self.dags)
        started = sweep(found, Notifier(self.journal, Nobody(), self.told.append, RUN), lambda _: None)  # type: ignore[arg-type]
        return [one.split()[0] for one in started]

    def handle(self, kind: str) -> None:
        """A run of the DAG ends well."""
        waiting = waiting_dag(MODEL, kind)
        assert waiting is not None
        states = read_states(MODEL, waiting, self.states())
        record_handled(self.context(RunRef(f"{kind}_weather", "r")), MODEL, kind, states)

    def decide(self, kind: DecisionKind, subject: str = "", model: str = "weather", **figures: float) -> None:
        run = RunRef("monitor_weather", f"{self.now.isoformat()}")
        self.journal.record_decision(Decision(model, kind, True, ("why",), self.now, run, subject, figures))

    def publish(self, model: str = "weather", version: int = 0) -> None:
        self.journal.record_batch(
            BatchRecord(
                model,
                f"{version:064}",
                "u",
                1,
                self.now,
                BatchState.PUBLISHED,
                1,
                1,
                0,
                0,
                self.now,
                RUN,
                dataset_version=version,
            )
        )

    def predict(self) -> None:
        import polars as pl
        from deltalake import write_deltalake

        write_deltalake(self.home.predictions_of("weather"), pl.DataFrame({"x": [1.0]}), mode="append")


@pytest.fixture
def world(tmp_path: Path) -> World:
    home = Home(home=tmp_path)
    return World(home, Journal(home.journal_url))


def name(world: World, alias: str) -> None:
    world.registry.named["weather"] = {alias: str(world.now.timestamp())}


HAPPENS: dict[str, tuple[Callable[[World], None], frozenset[str]]] = {
    "a publication": (World.publish, frozenset({"train", "score", "backup_data", "reopen"})),
    "a promotion": (lambda world: name(world, "champion"), frozenset({"score", "backup_model"})),
    "a registration": (lambda world: name(world, "challenger"), frozenset({"backup_model"})),
    "an accepted event": (lambda world: world.decide(DecisionKind.EVENT, "tides"), frozenset({"ingest"})),
    "another model's training": (
        lambda world: world.decide(DecisionKind.GATES, model="ships"),
        frozenset({"ingest"}),
    ),
    "another model's publication": (lambda world: world.publish("ships"), frozenset({"score"})),
    "a request": (lambda world: world.decide(DecisionKind.ALARM, retrain=1.0), frozenset({"train"})),
    "a verdict in shadow": (lambda world: world.decide(DecisionKind.SHADOW, "weather@3"), frozenset({"promote"})),
}


@pytest.mark.parametrize(("happens", "kinds"), HAPPENS.values(), ids=HAPPENS)
def test_sweep_starts_once_whatever_missed_what_happened(
    world: World, happens: Callable[[World], None], kinds: frozenset[str]
) -> None:
    assert world.sweep() == []  # nothing is there yet
    happens(world)
    assert set(world.sweep()) == {f"{kind}_weather" for kind in kinds}
    assert world.sweep() == []  # the same state is the same run
    for kind in kinds:
        assert any(f"{kind}_weather has not handled" in text for text in world.told)
    decisions = world.journal.decisions("weather", DecisionKind.SWEEP)
    assert {one.subject for one in decisions} == {f"{kind}_weather" for kind in kinds}


@pytest.mark.parametrize("case", ["a publication", "a promotion", "an accepted event", "another model's training"])
def test_sweep_starts_nothing_that_a_run_has_handled_until_it_happens_again(world: World, case: str) -> None:
    happens, kinds = HAPPENS[case]
    happens(world)
    for kind in kinds:
        world.handle(kind)
    assert world.sweep() == []
    world.now += timedelta(minutes=1)
    if case == "a publication":
        world.publish(version=1)
    else:
        happens(world)
    assert set(world.sweep()) == {f"{kind}_weather" for kind in kinds}


def test_sweep_predictions_missed_are_monitored_and_backed_up(world: World) -> None:
    world.predict()
    assert set(world.sweep()) == {"monitor_weather", "backup_data_weather"}
    world.handle("monitor")
    assert find_missed(MODEL, waiting_dag(MODEL, "monitor"), world.states(), world.journal) == {}  # type: ignore[arg-type]


def test_states_predictions_do_not_change_when_old_ones_go_or_files_are_compacted(world: World) -> None:
    from deltalake import DeltaTable

    world.predict()
    world.predict()
    before = world.states().of(MODEL, "predictions")
    table = DeltaTable(world.home.predictions_of("weather"))
    table.optimize.compact()
    table.delete("x > 0")
    assert world.states().of(MODEL, "predictions") == before
    world.predict()
    assert world.states().of(MODEL, "predictions") != before


def test_waiting_dags_every_name_of_the_table_is_one_that_something_makes_true() -> None:
    """A new kind of DAG, or a new name in a rule, needs a row in the table above."""
    made = {kind for _, kinds in HAPPENS.values() for kind in kinds} | {"monitor"}
    assert {one.kind for one in waiting_dags(MODEL)} | {"reopen"} == made


def test_sweep_run_that_did_not_help_is_started_again_the_next_day(world: World) -> None:
    world.publish()
    assert "train_weather" in world.sweep()
    world.now += timedelta(days=1)
    assert "train_weather" in world.sweep()


STANDINGS: dict[str, DagState | None] = {
    "not parsed yet": None,
    "paused": DagState(paused=True),
    "queued": DagState(queued=True),
    "at work": DagState(running=True),
}


@pytest.mark.parametrize("standing", STANDINGS.values(), ids=STANDINGS)
def test_sweep_leaves_a_dag_that_cannot_hear_or_is_about_to_look(world: World, standing: DagState | None) -> None:
    world.publish()
    world.dags.said["train_weather"] = standing
    assert "train_weather" not in world.sweep()
    del world.dags.said["train_weather"]
    assert world.sweep() == ["train_weather"]


def test_sweep_monitor_that_waits_for_a_person_is_started_all_the_same(world: World) -> None:
    world.predict()
    world.dags.said["monitor_weather"] = DagState(running=True)
    assert "monitor_weather" in world.sweep()


def test_sweep_dag_that_ran_before_marks_were_kept_has_handled_what_is_there(world: World) -> None:
    world.publish()
    world.dags.said["train_weather"] = DagState(has_run=True)
    assert "train_weather" not in world.sweep()
    world.publish(version=1)
    assert "train_weather" in world.sweep()


def test_sweep_question_without_an_answer_stops_no_other(world: World) -> None:
    world.publish()
    world.registry.away = True
    found = Sweep(world.context(), (MODEL,), world.dags)
    assert {one.dag_id for one in found.find()} == {"train_weather", "backup_data_weather", "reopen_weather"}
    assert [one.partition(":")[0] for one in found.unanswered] == ["score_weather", "backup_model_weather"]


def test_sweep_question_that_fails_in_a_way_that_nobody_foresaw_stops_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.publish()
    monkeypatch.setattr(world.registry, "aliases", lambda _model: {}["a bug"])
    found = Sweep(world.context(), (MODEL,), world.dags)
    assert "train_weather" in {one.dag_id for one in found.find()}
    assert found.unanswered == ["score_weather: 'a bug'", "backup_model_weather: 'a bug'"]


def test_sweep_finds_what_is_missed_of_each_model(world: World) -> None:
    world.publish()
    world.publish("boats")
    boats = MODEL.model_copy(update={"name": "boats"})
    assert {"train_weather", "train_boats"} <= set(world.sweep(MODEL, boats))


def test_sweep_scoring_that_is_stopped_is_not_started(world: World) -> None:
    world.publish()
    stop_scoring(world.journal, "weather", reason="F1 fell", run=RUN, now=NOW)
    assert "score_weather" not in world.sweep()


def test_sweep_backup_waits_for_its_pace(world: World) -> None:
    world.publish()
    taken = NOW - MODEL.backup.at_most_every + timedelta(minutes=1)
    world.journal.record_snapshot(SnapshotRecord("p", "dataset/weather", "n", taken, 1, 1, 1, RUN))
    assert "backup_data_weather" not in world.sweep()
    world.now += timedelta(minutes=2)
    assert "backup_data_weather" in world.sweep()


def nightly(when: str) -> Model:
    return MODEL.model_copy(update={"pipelines": {**MODEL.pipelines, "train": Pipeline(when=when)}})


def test_sweep_and_waits_for_both_since_the_last_run(world: World) -> None:
    model = nightly("dataset and nightly")
    world.publish()
    assert "train_weather" not in world.sweep(model)  # the tick of before it was seen is none that it has missed
    world.now += timedelta(days=1)
    assert "train_weather" in world.sweep(model)
    waiting = waiting_dag(model, "train")
    assert waiting is not None
    states = read_states(model, waiting, world.states())
    record_handled(world.context(), model, "train", states)
    world.now += timedelta(days=1)
    assert "train_weather" not in world.sweep(model)  # a night has passed, and no data have come


def postings(*payloads: Mapping[str, object]) -> list[Posting]:
    return [Posting(number, NOW, PostedEvent("tides", payload)) for number, payload in enumerate(payloads)]


def test_sweep_undecided_events_start_their_check_and_decided_ones_do_not(world: World) -> None:
    world.dags.posted = postings({"height_m": 1})
    assert world.sweep() == ["event_weather"]
    decide_postings(world.context(RunRef("event_weather", "e")), MODEL, world.dags.posted)
    world.handle("ingest")
    assert world.sweep() == []
    world.dags.posted += [replace(world.dags.posted[0], number=7)]
    assert world.sweep() == ["event_weather"]


WINDOWED = MODEL.model_copy(update={"pipelines": {"score": Pipeline(when="daily")}})


def test_sweep_window_that_closed_and_was_not_scored_is_announced_again_by_reopen(world: World) -> None:
    start = datetime(2026, 1, 3, tzinfo=UTC)
    closed = WindowRecord("weather", start, start + timedelta(days=1), WindowState.DONE, NOW, RUN, rows=24, content="c")
    empty = replace(closed, window_start=start + timedelta(days=1), window_end=start + timedelta(days=2), rows=0)
    assert world.sweep(WINDOWED) == []
    world.journal.record_window(closed)
    world.journal.record_window(empty)
    assert windows_missed(world.journal, WINDOWED) == [closed]
    assert world.sweep(WINDOWED) == ["reopen_weather"]
    record_window_handled(world.context(), WINDOWED, "score", closed)
    assert windows_missed(world.journal, WINDOWED) == []
    world.journal.record_window(late := replace(closed, state=WindowState.LATE, content="d"))
    assert windows_missed(world.journal, WINDOWED) == [late]


def test_sweep_old_windows_of_a_dag_that_ran_before_marks_were_kept_are_handled(world: World) -> None:
    start = datetime(2026, 1, 3, tzinfo=UTC)
    world.journal.record_window(
        WindowRecord("weather", start, start + timedelta(days=1), WindowState.DONE, NOW, RUN, rows=24, content="c")
    )
    world.dags.said["score_weather"] = DagState(has_run=True)
    assert world.sweep(WINDOWED) == []
    assert handled(world.journal, WINDOWED, "score")


def test_states_files_left_count_only_where_ingest_has_no_schedule_of_its_own(world: World) -> None:
    folder = Path(world.home.landing_of("weather"))
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x\n", "utf-8")
    world.now = datetime.now(UTC) + timedelta(hours=1)
    alone = MODEL.model_copy(update={"pipelines": {"ingest": Pipeline(when="arrival")}})
    assert world.states().of(alone, "arrival").startswith("1 files, ")
    assert world.states().of(MODEL, "arrival") == ""
    assert "ingest_weather" in world.sweep(alone)


ALONE = MODEL.model_copy(update={"pipelines": {"ingest": Pipeline(when="arrival")}})


def test_states_other_bytes_under_the_same_name_are_another_state(world: World) -> None:
    folder = Path(world.home.landing_of("weather"))
    folder.mkdir(parents=True)
    world.now = datetime.now(UTC) + timedelta(hours=1)
    (folder / "a.csv").write_text("broken\n", "utf-8")
    first = world.states().of(ALONE, "arrival")
    (folder / "a.csv").write_text("mended\n", "utf-8")
    assert world.states().of(ALONE, "arrival") not in ("", first)


def test_states_file_that_an_ingest_has_left_is_another_state_when_patience_is_over(world: World) -> None:
    folder = Path(world.home.landing_of("weather"))
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x\n", "utf-8")
    settled = datetime.now(UTC) + MODEL.source.settle + timedelta(seconds=10)
    world.now = settled
    first = world.states().of(ALONE, "arrival")
    world.now = settled + timedelta(seconds=1)
    assert world.states().of(ALONE, "arrival") == first != ""
    world.now = settled + MODEL.source.patience
    assert world.states().of(ALONE, "arrival") not in ("", first)


def test_states_files_are_handled_by_their_records_alone(world: World) -> None:
    """A run that has looked, and then failed to publish, has handled nothing."""
    folder = Path(world.home.landing_of("weather"))
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x\n", "utf-8")
    world.now = datetime.now(UTC) + timedelta(hours=1)
    state = world.states().of(ALONE, "arrival")
    record_handled(world.context(), ALONE, "ingest", {"arrival": state})
    assert "arrival" not in handled(world.journal, ALONE, "ingest")
    assert "ingest_weather" in world.sweep(ALONE)
