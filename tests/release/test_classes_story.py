"""A label with several classes, from landed files to the monitor: real ingest, MLflow, Delta tables and journal."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.journal.records import RunRef
from almanac.monitoring.checks.performance import PerformanceState
from almanac.registry import files
from almanac.registry.onnx_model import OnnxModel
from almanac.release.comparison import compare
from almanac.release.lineage import trace_prediction
from almanac.release.rebuild import rebuild
from almanac.release.shadow import judge_shadow
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import PredictionTable
from almanac.statistics.profile import ReferenceProfile
from almanac.training.passport import load_passport
from tests.release.harbour import Harbour
from tests.training.class_labels.sky import HOURS, NAMES, START, make_sky, sky

LATER, TURN = 24 * 40, 24 * 60
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def harbour(registry, tmp_path_factory):
    """Trained on the first rows, crowned, and scored the rows that came later."""
    limits = {"drift": {"min_rows": 300}, "window": "20d"}
    model = sky(shadow={"rows": 500, "then": "promote"}, score={"window": "1d"}, monitor=limits)
    model = model.model_copy(update={"name": "sky"})
    harbour = Harbour(model, Home(home=tmp_path_factory.mktemp("harbour")), registry, START, "forest")
    world = make_sky(HOURS + LATER)
    harbour.landed = harbour.land(world[:HOURS])
    harbour.first, harbour.verdict = harbour.train("first")
    harbour.crown(harbour.register(harbour.first, "first"))
    harbour.land(world[HOURS : HOURS + 24])
    harbour.second, _ = harbour.train("second", {"n_estimators": 15})
    harbour.shadow(harbour.register(harbour.second, "second"))
    harbour.land(world[HOURS + 24 :])
    harbour.scored = harbour.score()
    return harbour


def test_classes_pass_every_gate_and_are_promoted(harbour) -> None:
    assert harbour.landed.published_rows == HOURS
    assert harbour.verdict.accepted, harbour.verdict.reasons
    assert harbour.registry.champion("sky").version == "1"
    assert {"baselines[f1_macro]", "absolute[worst_recall]", "calibration[ece]"} <= harbour.verdict.figures.keys()


def test_order_of_the_classes_travels_with_the_version(harbour) -> None:
    champion = harbour.registry.champion("sky")
    assert tuple(load_passport(harbour.registry, champion).label["classes"]) == NAMES
    graph = OnnxModel(harbour.registry.load_onnx(champion))
    assert (graph.classes, graph.width, graph.is_number) == (NAMES, 3, False)
    profile = ReferenceProfile.from_json(harbour.registry.load_profile(champion))
    assert profile.figures["year"].share == pytest.approx((0.2, 0.16, 0.64), abs=0.05)
    assert {f"true class={name}" for name in NAMES} <= profile.segments.keys()


def test_card_and_comparison_speak_of_classes(harbour) -> None:
    card = harbour.registry.artifacts(harbour.registry.client.get_run(harbour.first)).read(files.CARD).decode("utf-8")
    assert "weather_in_4h: which of rain, snow, clear Weather is, 4h ahead" in card
    assert "recall.snow" in card
    assert "<dt>Threshold</dt>" not in card
    words = compare(harbour.model, harbour.home, harbour.registry, "2", reasons=["a test"], now=harbour.now)
    assert "| precision.snow |" in words
    assert "get another class, most often" in words


def test_score_publishes_the_class_and_a_probability_for_each(harbour) -> None:
    rows = PredictionTable.of(harbour.home, harbour.model).read("1", since=START, until=harbour.now)
    each = rows.select(f"probability_{name}" for name in NAMES)
    assert np.abs(each.to_numpy().sum(axis=1) - 1).max() < 1e-6
    assert rows["label"].to_list() == [NAMES[position] for position in each.to_numpy().argmax(axis=1)]
    np.testing.assert_array_equal(rows["probability"].to_numpy(), each.to_numpy().max(axis=1))
    truth = make_sky(HOURS + LATER).select(pl.col("Hour") - pl.duration(hours=4), "Weather").rename({"Hour": "time"})
    both = rows.join(truth, on="time")
    assert both.height > 800
    assert (both["label"] == both["Weather"]).mean() > 0.9
    assert harbour.score().rows == 0  # nothing is scored twice


def test_trace_of_a_predicted_class_says_it(harbour) -> None:
    time = START + timedelta(hours=HOURS + 48)
    lineage = trace_prediction(harbour.model, harbour.home, harbour.registry, PredictionId("sky", time, "1"))
    assert dict(lineage.steps())["prediction"].split("label ")[1].split(";")[0].split(" ")[0].strip(",") in NAMES


def test_rebuild_of_classes_gives_the_same_to_the_last_digit(harbour) -> None:
    version = harbour.registry.version("sky", "1")
    found = rebuild(harbour.home, harbour.registry, version, on_progress=lambda _: None)
    assert [one.name for one in found.results if not one.same] == []


def test_shadow_of_classes_is_judged_by_its_metric(harbour) -> None:
    by = {"run": RunRef("monitor_load", "1"), "now": harbour.now}
    result = judge_shadow(harbour.model, harbour.home, harbour.registry, harbour.journal, **by)
    assert (result.version, result.decided) == ("2", True)
    assert 0.5 < result.figures["f1_macro"] < 1
    assert 0.5 < result.figures["agreement"] < 1


def test_monitor_of_classes_holds_and_then_asks_when_the_world_turns(harbour) -> None:
    found = harbour.monitor("2")
    assert {window.performance.standing for window in found.windows} == {PerformanceState.HOLDING}
    assert {"persistence", "majority"} <= {one.subject for one in found.findings}
    recalls = {group.name: group.figure for group in found.windows[-1].groups if group.by == "true class"}
    assert list(recalls) == list(NAMES)
    assert all(figure.metric == "recall" and figure.value > 0.8 for figure in recalls.values())
    turned = make_sky(TURN, seed=3, start=harbour.now, shift=9)  # what the model knows comes five hours later
    warm = turned.with_columns(pl.col("Weather").str.replace("snow", "rain"))
    harbour.land(
        warm.with_columns(
            pl.when(pl.int_range(pl.len()) % 9 == 0).then(pl.lit("snow")).otherwise("Weather").alias("Weather")
        )
    )
    harbour.score()
    later = harbour.monitor("3")
    assert later.windows[-1].performance.standing is PerformanceState.DEGRADED
    assert later.retrain_requested
    page = Path(later.report_uri.removeprefix("file://")).read_text("utf-8")
    assert "Confusion of the classes" in page
    worse = [one for one in later.findings if one.subject == "true class=snow"]
    assert "recall of true class snow is" in worse[0].text


def test_unseen_class_is_quarantined_and_named(harbour) -> None:
    strange = make_sky(24, start=harbour.now).with_columns(
        pl.when(pl.int_range(pl.len()) == 5).then(pl.lit("fog")).otherwise("Weather").alias("Weather")
    )
    summary = harbour.land(strange)
    assert (summary.published_rows, summary.quarantined_rows) == (23, 1)
    (record,) = harbour.journal.batches("sky", limit=1)
    assert record.broken_rules == {"Weather.values": 1}
    assert "fog" not in DatasetTable.of(harbour.home, harbour.model).read()["Weather"].unique().to_list()
