"""A label that is a number, from the first training to the monitor: real MLflow, Delta tables and journal."""

from datetime import timedelta

import polars as pl
import pytest

from almanac.data.table.dataset import DatasetTable
from almanac.journal.records import RunRef
from almanac.monitoring.checks.performance import PerformanceState
from almanac.monitoring.monitor import monitor
from almanac.registry import files
from almanac.release.comparison import compare
from almanac.release.lineage import trace_prediction
from almanac.release.promotion import promote, register, set_shadow
from almanac.release.rebuild import rebuild
from almanac.release.run_judgement import judge
from almanac.release.shadow import judge_shadow
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import score_new_windows, score_shadow
from almanac.training.training_run import decide_mode, train
from tests.data.parts import publish_rows
from tests.training.number_labels.load import HOURS, LOAD, START, load_yaml, make_load

LATER, JUMP = 24 * 60, 24 * 120
ALL = HOURS + LATER


class Grid:
    """The model's home; `train` is one run of the train DAG up to the verdict."""

    def __init__(self, model, home, registry, journal) -> None:
        self.model, self.home, self.registry, self.journal, self.hours = model, home, registry, journal, 0

    @property
    def now(self):
        return START + timedelta(hours=self.hours)

    def publish(self, frame: pl.DataFrame) -> None:
        rows = frame.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(DatasetTable.of(self.home, self.model), rows, f"batch{self.hours}")
        self.hours += frame.height

    def train(self, name: str, **by_hand):
        run = RunRef("train_load", name)
        asked = decide_mode(
            self.model,
            self.home,
            self.journal,
            self.registry,
            trigger="manual",
            reason="a test",
            run=run,
            now=self.now,
            by_hand=bool(by_hand),
        )
        assert asked.decision.accepted, asked.decision.reasons
        logged = train(
            self.model,
            self.home,
            self.registry,
            reason="a test",
            run=run,
            now=self.now,
            candidates=by_hand.get("candidates"),
            overrides=None,
            on_progress=lambda _: None,
            mode=asked.mode,
        )
        return logged, judge(self.model, self.home, self.journal, self.registry, logged, run=run, now=self.now)

    def register(self, logged: str, run: str) -> str:
        by = {"run": RunRef("train_load", run), "journal": self.journal, "now": self.now}
        return register(self.registry, self.model.name, logged, **by).version

    def crown(self, number: str) -> None:
        promote(
            self.registry,
            self.model,
            number,
            reason="a test",
            run=RunRef("promote_load", number),
            journal=self.journal,
            now=self.now,
        )

    def score(self):
        run = RunRef("score_load", "1")
        score_shadow(self.model, self.home, self.registry, run=run, now=self.now)
        return score_new_windows(self.model, self.home, self.registry, run=run, now=self.now)


@pytest.fixture(scope="module")
def grid(registry, tmp_path_factory):
    """Trained on the first rows, crowned, and scored the rows that came later."""
    from almanac.config.home import Home
    from almanac.journal.journal import Journal

    gates = {"champion": {"metric": "rmse", "max_loss": 10, "resamples": 100, "confidence": 0.95}}
    shadow = {"rows": 500, "then": "promote"}
    model = load_yaml(LOAD, gates=gates, shadow=shadow, score={"window": "1d"}, monitor={"window": "20d"})
    home = Home(home=tmp_path_factory.mktemp("grid"))
    grid = Grid(model, home, registry, Journal(f"sqlite:///{home.home}/journal.db"))
    world = make_load(ALL)
    grid.publish(world[:HOURS])
    grid.first, grid.verdict = grid.train("first")
    grid.crown(grid.register(grid.first, "first"))
    grid.publish(world[HOURS : HOURS + 24])
    grid.second, _ = grid.train("second", candidates=None)  # as good, on newer rows
    set_shadow(
        registry,
        model.name,
        grid.register(grid.second, "second"),
        reason="a test",
        run=RunRef("train_load", "second"),
        journal=grid.journal,
        now=grid.now,
    )
    grid.publish(world[HOURS + 24 :])
    grid.scored = grid.score()
    return grid


def test_number_passes_every_gate_and_is_promoted(grid) -> None:
    assert grid.verdict.accepted, grid.verdict.reasons
    assert grid.registry.champion("load").version == "1"
    assert {"baselines[rmse]", "calibration[bias]", "calibration[interval]", "gap[r2]"} <= grid.verdict.figures.keys()


def test_number_has_a_card_and_a_comparison_in_its_own_words(grid) -> None:
    card = grid.registry.artifacts(grid.registry.client.get_run(grid.first)).read(files.CARD).decode("utf-8")
    assert "Predicted and true numbers" in card
    assert "load_in_4h: Load, 4h ahead" in card
    assert "<dt>Threshold</dt>" not in card
    words = compare(grid.model, grid.home, grid.registry, "2", reasons=["a test"], now=grid.now)
    assert "| rmse |" in words
    assert "The candidate is nearer to the truth on" in words
    assert "| f1_macro |" not in words


def test_score_publishes_numbers(grid) -> None:
    rows = PredictionTable.of(grid.home, grid.model).read("1", since=START, until=grid.now)
    assert "prediction" in rows.columns
    assert not {"probability", "label"} & set(rows.columns)
    assert rows["prediction"].mean() == pytest.approx(590, abs=40)
    truth = make_load(ALL).select(pl.col("Hour") - pl.duration(hours=4), "Load").rename({"Hour": "time"})
    both = rows.join(truth, on="time")
    assert float(((both["prediction"] - both["Load"]) ** 2).mean()) ** 0.5 < 30


def test_trace_of_a_predicted_number_says_it(grid) -> None:
    time = START + timedelta(hours=HOURS + 48)
    lineage = trace_prediction(grid.model, grid.home, grid.registry, PredictionId("load", time, "1"))
    predicted = dict(lineage.steps())["prediction"]
    assert float(predicted.split(": ")[1].split(";")[0]) == pytest.approx(lineage.prediction.answer, rel=1e-5)


def test_rebuild_of_a_number_gives_the_same_to_the_last_digit(grid) -> None:
    found = rebuild(grid.home, grid.registry, grid.registry.version("load", "1"), on_progress=lambda _: None)
    assert [one.name for one in found.results if not one.same] == []


def test_shadow_of_a_number_is_judged_by_its_error(grid) -> None:
    result = judge_shadow(
        grid.model, grid.home, grid.registry, grid.journal, run=RunRef("monitor_load", "1"), now=grid.now
    )
    assert (result.version, result.decided) == ("2", True)
    assert result.figures["rmse"] > 0
    assert 0.9 < result.figures["agreement"] <= 1.0
    assert "rmse" in result.reasons[0]


def test_monitor_of_a_number_holds_and_then_asks_when_the_level_changes(grid) -> None:
    found = monitor(grid.model, grid.home, grid.journal, grid.registry, run=RunRef("monitor_load", "2"), now=grid.now)
    standings = [window.performance.standing for window in found.windows]
    assert standings
    assert set(standings) == {PerformanceState.HOLDING}
    assert {"persistence", "mean"} <= {one.subject for one in found.findings}
    jump = make_load(JUMP, seed=3, start=grid.now, level=900.0)
    grid.publish(jump)
    grid.score()
    later = monitor(grid.model, grid.home, grid.journal, grid.registry, run=RunRef("monitor_load", "3"), now=grid.now)
    assert later.windows[-1].performance.standing is PerformanceState.DEGRADED
    assert later.retrain_requested
    assert later.report_uri
