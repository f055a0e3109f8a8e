"""A pipeline that will not be ready by its time of day is reported before, and one that was not until it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from almanac.alerts.alert_log import AlertLog
from almanac.alerts.notifier import Notifier
from almanac.config.files.loader import find_model, load_installation
from almanac.config.grammar.ready_by import parse_ready_by
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.costs.ledger import Ledger, record_usage
from almanac.errors import TransientError
from almanac.health.ready_by import PipelineRun, Usual, judge, report_ready_by
from almanac.health.rounds import run_checks
from almanac.health.unreported_failures import FailedTask
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef, TaskUsage
from almanac.services.airflow_api import Job
from tests.data.installation import RUN
from tests.health.test_damage import Nobody

SEVEN = parse_ready_by("07:00 UTC")
MIN, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
TODAY = datetime(2026, 11, 10, tzinfo=UTC)
USUAL = Usual(20 * MIN, 30 * MIN)
TICKS = [TODAY + number * DAY + 6 * HOUR for number in (-2, -1, 0, 1)]  # 06:00 each day


def at(hour: int, minute: int = 0, *, day: int = 0) -> datetime:
    return TODAY + day * DAY + hour * HOUR + minute * MIN


def ended(started: datetime, state: str = "success") -> PipelineRun:
    return PipelineRun(f"r{started:%d%H%M}", state, started, started + 20 * MIN)


def under_way(started: datetime | None) -> PipelineRun:
    return PipelineRun("now", "running", started, None)


YESTERDAY = ended(at(6, day=-1))


@pytest.mark.parametrize(
    ("runs", "now", "expected"),
    [
        ([YESTERDAY], at(5), None),  # it will begin at six
        ([YESTERDAY], at(6, 30), None),  # begun now it is there at seven
        ([YESTERDAY], at(6, 31), "foreseen"),
        ([YESTERDAY, under_way(None)], at(6, 31), "foreseen"),  # queued
        ([YESTERDAY, under_way(at(6, 5))], at(6, 59), None),
        ([YESTERDAY, under_way(at(6, 31))], at(6, 45), "foreseen"),
        ([YESTERDAY, ended(at(6, 1))], at(6, 40), None),
        ([YESTERDAY, ended(at(6, 1), "failed")], at(6, 40), "foreseen"),
        ([YESTERDAY, ended(at(5, 59))], at(6, 40), "foreseen"),  # not the run of this tick
        ([YESTERDAY], at(7), "missed"),
        ([YESTERDAY, under_way(at(6, 5))], at(7), "missed"),
        ([YESTERDAY, ended(at(6, 50))], at(7, 30), None),  # late, and there
        ([YESTERDAY, ended(at(6, 1))], at(23), None),
        ([], at(23), "missed"),  # the ledger knows that it has run before
    ],
)
def test_judge_of_a_schedule(runs: list[PipelineRun], now: datetime, expected: str | None) -> None:
    found = judge(SEVEN, TICKS, runs, [], USUAL, now)
    assert (found and ("missed" if found.missed else "foreseen")) == expected


@pytest.mark.parametrize(
    ("worked", "now", "expected"),
    [
        (["r090502"], at(6, 31), "foreseen"),
        (["r090502", "r100300"], at(6, 31), None),
        ([], at(7), "missed"),  # it ran, and had nothing to do
        (["r100300"], at(7), None),
    ],
)
def test_judge_without_a_schedule_asks_for_a_run_with_something_to_do(
    worked: list[str], now: datetime, expected: str | None
) -> None:
    runs = [ended(at(5, 2, day=-1)), ended(at(3))]
    found = judge(SEVEN, None, runs, worked, USUAL, now)
    assert (found and ("missed" if found.missed else "foreseen")) == expected


def test_judge_says_nothing_of_days_without_a_tick_of_new_pipelines_and_without_history() -> None:
    assert judge(SEVEN, TICKS[:1], [YESTERDAY], [], USUAL, at(23)) is None
    assert judge(SEVEN, TICKS, [], [], None, at(7)) is None
    assert judge(SEVEN, TICKS, [YESTERDAY], [], None, at(6, 59)) is None
    assert judge(SEVEN, TICKS, [YESTERDAY], [], None, at(7)) is not None


@given(begun=st.integers(0, 59), passed=st.integers(0, 120), p90=st.integers(1, 180))
def test_judge_expects_an_end_that_is_neither_past_nor_before_its_run(begun: int, passed: int, p90: int) -> None:
    started = at(6, begun)
    now = started + passed * MIN
    found = judge(SEVEN, TICKS, [YESTERDAY, under_way(started)], [], Usual(MIN, p90 * MIN), now)
    assert (found is not None) == (now >= at(7) or max(started + p90 * MIN, now) > at(7))
    assert found is None or found.expected == max(started + p90 * MIN, now)


def test_usual_needs_three_runs_and_one_odd_run_does_not_decide() -> None:
    assert Usual.of([60.0, 60.0]) is None
    assert Usual.of([60.0] * 19 + [9000.0]) == Usual(MIN, MIN)


@dataclass
class Runs:
    """Airflow as the rounds see it."""

    found: list[PipelineRun] = field(default_factory=list)
    away: bool = False

    def pipeline_runs(self, dag_id: str, since: datetime) -> Sequence[PipelineRun]:
        assert dag_id == "score_weather"
        if self.away:
            raise TransientError("away")
        return [one for one in self.found if one.started is None or one.started >= since]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(f"sqlite:///{tmp_path}/journal.db")


def model() -> Model:
    values = find_model(MODELS_FOLDER, "weather").model_dump()
    values["triggers"] = {"nightly": {"kind": "schedule", "cron": "0 6 * * *"}}
    values["pipelines"] = {"score": {"when": "nightly", "ready_by": "07:00 UTC"}}
    return Model.model_validate(values)


def task(journal: Journal, run_id: str, ended_at: datetime, wall: timedelta, state: str = "success") -> None:
    run = RunRef("score_weather", run_id)
    row = TaskUsage("weather", "score", "t", -1, state, "", "", ended_at, wall.total_seconds(), 1.0, 1, run)
    record_usage(journal, row)


def test_durations_are_of_whole_runs_that_had_something_to_do(journal: Journal) -> None:
    task(journal, "a", at(6, 5), 5 * MIN)
    task(journal, "a", at(6, 30), 20 * MIN)
    task(journal, "nothing", at(6, 1, day=1), MIN, "skipped")
    task(journal, "failed", at(6, 2, day=1), MIN)
    task(journal, "failed", at(6, 3, day=1), MIN, "failed")
    task(journal, "old", at(6, day=-9), MIN)
    assert Ledger(journal).durations("score_weather", at(0)) == {"a": 1800.0}
    assert Ledger(journal).durations("train_weather", at(0)) == {}


def test_report_ready_by_worsens_from_foreseen_to_missed_and_ends_when_it_is_done(journal: Journal) -> None:
    airflow, declared = Runs([YESTERDAY]), model()

    def look(now: datetime) -> list[tuple[str, str]]:
        notifier = Notifier(journal, Nobody(), lambda _: None, RUN)
        report_ready_by(notifier, [declared], journal, airflow, RUN, now)
        alerts = AlertLog(journal).recent(model="weather", over=False)
        return [(one.message.severity, one.message.subject) for one in alerts]

    for back in range(1, 5):
        task(journal, f"before{back}", at(6, 25, day=-back), 25 * MIN)
    assert look(at(6, 30)) == []
    foreseen = [("warning", "score_weather will not be ready by 07:00 UTC")]
    assert look(at(6, 36)) == foreseen
    (alert,) = AlertLog(journal).recent(model="weather", over=False)
    assert alert.message.error == (
        "The deadline is 2026-11-10 07:00 UTC (pipelines.score.ready_by). No run has begun. Runs take 25 min in the"
        " median and 25 min in nine of ten cases, by the ledger. It is expected to end at 2026-11-10 07:01 UTC."
    )
    airflow.found.append(PipelineRun("now", "running", at(6, 40), None))
    task(journal, "now", at(6, 41), MIN)  # its first task: says nothing about how long a run takes
    assert look(at(6, 45)) == foreseen
    airflow.away = True
    assert look(at(6, 50)) == foreseen
    airflow.away = False
    missed = [("critical", "score_weather was not ready by 07:00 UTC")]
    assert look(at(7)) == missed
    airflow.found[-1] = PipelineRun("now", "success", at(6, 40), at(7, 5))
    assert look(at(7, 5)) == []


def test_report_ready_by_does_not_count_a_run_that_has_not_ended(journal: Journal) -> None:
    for back in (1, 2):
        task(journal, f"before{back}", at(6, 25, day=-back), 25 * MIN)
    task(journal, "now", at(6, 41), MIN)
    airflow = Runs([YESTERDAY, under_way(at(6, 40))])
    notifier = Notifier(journal, Nobody(), lambda _: None, RUN)
    report_ready_by(notifier, [model()], journal, airflow, RUN, at(6, 45))
    assert not notifier.is_open("weather", "late")  # two runs are too few
    airflow.found[-1] = PipelineRun("now", "failed", at(6, 40), at(6, 45))
    report_ready_by(notifier, [model()], journal, airflow, RUN, at(6, 45))
    assert notifier.is_open("weather", "late")


def test_report_ready_by_ends_when_it_is_declared_no_longer(journal: Journal) -> None:
    notifier = Notifier(journal, Nobody(), lambda _: None, RUN)
    report_ready_by(notifier, [model()], journal, Runs([YESTERDAY]), RUN, at(8))
    assert notifier.is_open("weather", "late")
    report_ready_by(notifier, [find_model(MODELS_FOLDER, "weather")], journal, None, RUN, at(8))
    values = model().model_dump()
    values["pipelines"]["score"]["ready_by"] = None
    report_ready_by(notifier, [Model.model_validate(values)], journal, None, RUN, at(8))
    assert not notifier.is_open("weather", "late")


class Airflow(Runs):
    """The rest of what a round of the DAG `alerts` asks for: nothing has happened."""

    def failed_tasks(self, since: datetime) -> Sequence[FailedTask]:
        return ()

    def jobs(self, kind: str) -> Sequence[Job]:
        return ()


def test_round_of_alerts_looks_at_ready_by(tmp_path: Path) -> None:
    home = Home(home=tmp_path, models=MODELS_FOLDER)
    journal = Journal(home.journal_url)
    notifier = Notifier(journal, Nobody(), lambda _: None, RUN)
    installation, tasks = load_installation(MODELS_FOLDER), Airflow([YESTERDAY])
    run_checks(
        home, [model()], installation, notifier, acknowledge=[], broker_url="", tasks=tasks, run=RUN, now=at(7)
    )  # fmt: skip
    late = [one.message.subject for one in AlertLog(journal).recent(model="weather", over=False) if one.kind == "late"]
    assert late == ["score_weather was not ready by 07:00 UTC"]
