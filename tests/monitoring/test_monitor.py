import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from almanac.errors import IntegrityError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind, RunRef
from almanac.monitoring.findings import Condition, State
from almanac.monitoring.monitor import monitor
from almanac.monitoring.result import MonitorResult, MonitorVerdict
from almanac.registry.records import ModelVersion
from almanac.sample.weather_generator import CHANGED_CLIMATE
from almanac.scoring.score import score_new_windows
from tests.monitoring.world import NOW, TRAINED_UNTIL, WEATHER, World, changed, hours

RUN = RunRef("monitor_weather", "scheduled__1")
DAY = timedelta(days=1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.at(tmp_path)
    world.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL))
    return world


@pytest.fixture
def journal(world: World) -> Journal:
    return Journal(world.home.journal_url)


def watch(world: World, journal: Journal, *, with_report: bool = False) -> MonitorResult:
    return monitor(WEATHER, world.home, journal, world.registry, run=RUN, now=NOW, with_report=with_report)


def score(world: World) -> None:
    score_new_windows(WEATHER, world.home, world.registry, run=RUN, now=NOW)


def time_passes(world: World, days: int, *, climate_changed: bool = False) -> None:
    until = TRAINED_UNTIL + days * DAY
    frame = hours(TRAINED_UNTIL, until, climate=CHANGED_CLIMATE) if climate_changed else hours(TRAINED_UNTIL, until)
    world.publish(frame)
    score(world)


def test_monitor_without_champion_says_so_and_requests_nothing(world: World, journal: Journal) -> None:
    world.registry.number = None
    result = watch(world, journal)
    assert result.verdict is MonitorVerdict.INSUFFICIENT
    assert not result.retrain_requested
    assert result.reasons == ("no champion yet: nothing to compare with",)


def test_monitor_before_a_window_is_complete_is_insufficient(world: World, journal: Journal) -> None:
    time_passes(world, 20)
    result = watch(world, journal)
    assert (result.verdict, result.windows) == (MonitorVerdict.INSUFFICIENT, ())
    assert result.reasons == ("insufficient: no complete window of 30d after the rows that version 1 was made on",)


def test_monitor_quiet_months_request_nothing(world: World, journal: Journal) -> None:
    time_passes(world, 120)
    result = watch(world, journal)
    assert not result.retrain_requested
    assert [window.verdict for window in result.windows] == [MonitorVerdict.QUIET] * 3
    assert result.windows[-1].performance.coverage == 1.0
    (decision,) = journal.decisions("weather", DecisionKind.RETRAIN_REQUEST)
    assert not decision.accepted
    assert decision.reasons[0].startswith("quiet: no column has drifted in the window to 2024-04-16")


def test_monitor_changed_climate_requests_a_retrain_after_two_windows(world: World, journal: Journal) -> None:
    time_passes(world, 78, climate_changed=True)  # two windows: to 2024-02-17 and to 2024-03-18
    result = watch(world, journal)
    assert [window.end for window in result.windows] == [
        datetime(2024, 2, 17, tzinfo=UTC),
        datetime(2024, 3, 18, tzinfo=UTC),
    ]
    assert result.retrain_requested
    assert result.verdict is MonitorVerdict.DEGRADED
    assert any("performance is degraded in 2 consecutive windows to 2024-03-17: f1_macro" in r for r in result.reasons)
    (decision,) = journal.decisions("weather", DecisionKind.RETRAIN_REQUEST)
    assert decision.accepted
    assert decision.subject == "version 1, window to 2024-03-18T00:00:00+00:00"
    assert decision.figures["performance.f1_macro"] < 0.75


def test_monitor_one_bad_window_warns_and_requests_nothing(world: World, journal: Journal) -> None:
    time_passes(world, 48, climate_changed=True)
    result = watch(world, journal)
    assert len(result.windows) == 1
    assert not result.retrain_requested
    assert result.reasons[0].endswith("but not the same in 2 consecutive windows")
    assert any("performance is degraded" in warning for warning in result.warnings)


def test_monitor_unscored_windows_have_no_performance_but_are_compared(world: World, journal: Journal) -> None:
    world.publish(hours(TRAINED_UNTIL, TRAINED_UNTIL + 60 * DAY))
    result = watch(world, journal)
    assert result.windows[-1].performance.standing == "insufficient"
    statuses = {column.name: str(column.status) for column in result.windows[-1].columns}
    assert statuses["prediction"] == "insufficient"
    assert statuses["Humidity"] == "quiet"


def test_monitor_stuck_sensor_warns_and_requests_nothing(world: World, journal: Journal) -> None:
    frame = hours(TRAINED_UNTIL, TRAINED_UNTIL + 120 * DAY)
    world.publish(frame.with_columns(Visibility_km=pl.lit(16.1)))
    result = watch(world, journal)
    assert not result.retrain_requested
    assert any("Visibility_km is stuck, repair the source: 720 rows in a row" in warning for warning in result.warnings)


def test_monitor_same_windows_again_give_the_same_answer_once_in_the_journal(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    first, second = watch(world, journal), watch(world, journal)
    assert first == second
    assert len(journal.decisions("weather")) == 1


def test_monitor_new_champion_is_another_decision(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    watch(world, journal)
    world.registry.number = "2"
    result = watch(world, journal)
    assert result.windows[-1].performance.predictions == 0  # the old one's predictions are not its own
    assert [decision.subject.split(",")[0] for decision in journal.decisions("weather")] == ["version 2", "version 1"]


def test_monitor_broken_profile_raises(world: World, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.registry, "load_profile", lambda version: "{}")
    with pytest.raises(IntegrityError, match="not a reference profile"):
        watch(world, journal)


def test_monitor_result_is_json_and_its_summary_small(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    result = watch(world, journal)
    content = json.loads(result.to_json())
    assert content["windows"][0]["verdict"] == "quiet"
    assert content["windows"][0]["start"] == "2024-01-18T00:00:00+00:00"
    assert len(json.dumps(result.summary())) < 5000


class Page(HTMLParser):
    """Collects what a page would fetch, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe"):
            self.fetched.append(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data.strip())


def test_monitor_report_is_one_small_page_with_the_verdict_first(world: World, journal: Journal) -> None:
    time_passes(world, 78, climate_changed=True)
    result = watch(world, journal, with_report=True)
    path = Path(result.report_uri)
    assert path.parent == Path(world.home.reports_of("weather"))
    assert path.name == "monitor_2024-03-18_version_1.html"
    content = path.read_text("utf-8")
    page = Page()
    page.feed(content)
    text = " ".join(part for part in page.text if part)
    assert page.fetched == []
    assert len(content) < 1_000_000
    assert content.count("<svg") >= 5
    assert text.index("Degraded") < text.index("A retrain is requested.") < text.index("What was compared")
    assert "2024-02-17 00:00 UTC up to, not including, 2024-03-18 00:00 UTC, 720 rows" in text
    assert "weather version 1 (champion)" in text
    for part in ("What follows", "All findings", "Calibration", "Segments: Weather_conditions"):
        assert part in text, part
    assert "Feature importance" in text
    assert "Of the mean prediction, drifted columns moved:" in text
    assert "monitor_weather, run scheduled__1" in text
    short = path.with_suffix(".md").read_text("utf-8")
    assert short.startswith("**Rain at the port: degraded** (version 1, window to 2024-03-17)")


def test_monitor_result_carries_what_follows_into_the_xcom(world: World, journal: Journal) -> None:
    time_passes(world, 78, climate_changed=True)
    summary = watch(world, journal).summary()
    assert set(summary["acts"]) == {"notify", "retrain"}
    assert summary["acts"]["retrain"] == summary["reasons"]
    assert {"condition": "volume", "state": "insufficient", "subject": "rows"}.items() <= next(
        found for found in summary["findings"] if found["condition"] == "volume"
    ).items()
    assert summary["markdown"].startswith("**Rain at the port: degraded**")
    json.dumps(summary)


def test_monitor_insufficient_data_let_nothing_follow(world: World, journal: Journal) -> None:
    """Twenty days are no window: nothing can be said, so nothing is done, whatever the YAML declares."""
    kinds = ("drift", "performance", "segments", "quality", "volume", "better")
    declared = {kind: ["retrain", "ask"] for kind in kinds}
    model = changed(WEATHER, "monitor.actions", **declared)
    time_passes(world, 20, climate_changed=True)
    result = monitor(model, world.home, journal, world.registry, run=RUN, now=NOW, with_report=False)
    assert {found.state for found in result.findings} == {State.INSUFFICIENT}
    assert result.actions == ()


def test_monitor_report_again_replaces_its_page(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    first, second = watch(world, journal, with_report=True), watch(world, journal, with_report=True)
    assert first.report_uri == second.report_uri
    names = sorted(path.name for path in Path(world.home.reports_of("weather")).iterdir())
    assert names == ["monitor_2024-02-17_version_1.html", "monitor_2024-02-17_version_1.md"]


def test_monitor_report_of_unscored_windows_can_be_written(world: World, journal: Journal) -> None:
    frame = hours(TRAINED_UNTIL, TRAINED_UNTIL + 60 * DAY)
    world.publish(frame.with_columns(Location=pl.lit("<b>elsewhere</b>")))
    content = Path(watch(world, journal, with_report=True).report_uri).read_text("utf-8")
    assert "<b>elsewhere</b>" not in content


def test_monitor_without_champion_watches_batches_and_runs(world: World, journal: Journal) -> None:
    world.registry.number = None
    states = {(found.condition, found.subject): found.state for found in watch(world, journal).findings}
    assert states == {
        (Condition.QUALITY, "batches"): State.INSUFFICIENT,
        (Condition.RUNNING, "airflow"): State.INSUFFICIENT,
    }


def test_monitor_explains_what_the_version_before_looks_at_on_the_same_window(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    world.registry.aliases["previous"] = "2"  # of the same graph
    looks = watch(world, journal).explanation
    assert looks is not None
    assert looks.previous_version == "2"
    assert {row.from_previous for row in looks.table} == {0.0}
    assert looks.table[0].since_before == looks.table[0].now.loss - looks.before[0].loss


def test_monitor_version_before_that_is_gone_or_lost_its_files_is_no_matter(
    world: World, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_passes(world, 60)
    world.registry.aliases["previous"] = "2"
    load = world.registry.load_onnx

    def lost(version: ModelVersion) -> bytes:
        if version.version == "2":
            raise IntegrityError("model.onnx: gone")
        return load(version)

    def gone(_model: str, _alias: str) -> ModelVersion:
        raise RegistryError("weather@2: MLflow refuses")

    monkeypatch.setattr(world.registry, "load_onnx", lost)
    assert watch(world, journal).explanation.previous_version == ""
    monkeypatch.setattr(world.registry, "by_alias", gone)
    looks = watch(world, journal).explanation
    assert looks is not None
    assert looks.previous_version == ""
    assert {row.from_previous for row in looks.table} == {None}


def test_monitor_report_links_run_and_data(world: World, journal: Journal) -> None:
    time_passes(world, 60)
    link = "https://airflow.example/sub/dags/monitor_weather/runs/r/tasks/watch"
    result = monitor(WEATHER, world.home, journal, world.registry, run=RUN, now=NOW, link=link)
    content = Path(result.report_uri).read_text("utf-8")
    assert f'<a href="{link}">monitor_weather, run scheduled__1</a>' in content
    assert '<a href="https://airflow.example/sub/almanac/models/weather/batches">its batches</a>' in content
