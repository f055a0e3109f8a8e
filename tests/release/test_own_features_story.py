"""A learnt category, a text and a function of the team, from landed files to the monitor and the rebuild."""

from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from almanac.config import own_code
from almanac.config.files.loader import load_model
from almanac.config.home import Home
from almanac.errors import DataError
from almanac.features.features import build_features
from almanac.features.own import own_sha256
from almanac.journal.records import RunRef
from almanac.monitoring.checks.performance import PerformanceState
from almanac.registry import files
from almanac.registry.onnx_model import OnnxModel
from almanac.release.comparison import compare
from almanac.release.drill import drill
from almanac.release.lineage import trace_prediction
from almanac.release.rebuild import rebuild
from almanac.release.shadow import judge_shadow
from almanac.scoring.prediction_id import PredictionId
from almanac.scoring.predictions import PredictionTable
from almanac.training.passport import load_passport
from tests.release.bazaar import CODE, NAME, START, declare_bazaar, make_bazaar
from tests.release.harbour import Harbour

OTHER = CODE.replace("price > 12", "price > 13")
HOURS, LATER, TURN = 24 * 120, 24 * 40, 24 * 60
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bazaar(registry, tmp_path_factory):
    """Trained on the first rows, crowned, and scored the rows that came later."""
    folder = tmp_path_factory.mktemp("bazaar")
    model = declare_bazaar(folder / "models")
    bazaar = Harbour(model, Home(home=folder, models=folder / "models"), registry, START, "linear")
    world = make_bazaar(HOURS + LATER)
    bazaar.landed = bazaar.land(world[:HOURS])
    bazaar.first, bazaar.verdict = bazaar.train("first")
    bazaar.crown(bazaar.register(bazaar.first, "first"))
    bazaar.land(world[HOURS : HOURS + 24])
    bazaar.second, _ = bazaar.train("second", {"C": 0.5})
    bazaar.shadow(bazaar.register(bazaar.second, "second"))
    bazaar.land(world[HOURS + 24 :])
    bazaar.scored = bazaar.score()
    return bazaar


def test_model_of_names_words_and_own_code_passes_every_gate(bazaar) -> None:
    assert bazaar.landed.published_rows == HOURS
    assert bazaar.verdict.accepted, bazaar.verdict.reasons
    assert bazaar.registry.champion(NAME).version == "1"


def test_passport_and_card_name_stalls_words_and_the_code(bazaar) -> None:
    passport = load_passport(bazaar.registry, bazaar.registry.champion(NAME))
    assert passport.features_sha256 == own_sha256(bazaar.model)
    card = bazaar.registry.artifacts(bazaar.registry.client.get_run(bazaar.first)).read(files.CARD).decode("utf-8")
    assert "stall 7" in card
    assert "Note_word_0 to Note_word_31" in card
    assert "below_usual" in card


def test_scored_rows_are_those_that_the_graph_gives_for_the_features(bazaar) -> None:
    rows = PredictionTable.of(bazaar.home, bazaar.model).read("1", since=START, until=bazaar.now).sort("time")
    assert rows.height >= LATER - 24
    graph = OnnxModel(bazaar.registry.load_onnx(bazaar.registry.version(NAME, "1")))
    world = make_bazaar(HOURS + LATER)
    expected = graph.score(build_features(bazaar.model, world))[-rows.height :]
    assert rows["time"].to_list() == world["Hour"].to_list()[-rows.height :]
    np.testing.assert_allclose(rows["probability"].to_numpy(), expected, atol=1e-6)
    assert bazaar.score().rows == 0


def test_trace_of_a_prediction_names_its_version(bazaar) -> None:
    time = START + timedelta(hours=HOURS + 48)
    lineage = trace_prediction(bazaar.model, bazaar.home, bazaar.registry, PredictionId(NAME, time, "1"))
    assert "label" in dict(lineage.steps())["prediction"]


def test_comparison_of_two_versions_is_written(bazaar) -> None:
    words = compare(bazaar.model, bazaar.home, bazaar.registry, "2", reasons=["a test"], now=bazaar.now)
    assert "f1_macro" in words


def test_rebuild_gives_the_same_to_the_last_digit(bazaar) -> None:
    found = rebuild(bazaar.home, bazaar.registry, bazaar.registry.version(NAME, "1"), on_progress=lambda _: None)
    assert [one.name for one in found.results if not one.same] == []


def test_shadow_is_judged(bazaar) -> None:
    by = {"run": RunRef("monitor_load", "1"), "now": bazaar.now}
    result = judge_shadow(bazaar.model, bazaar.home, bazaar.registry, bazaar.journal, **by)
    assert (result.version, result.decided) == ("2", True)
    assert 0.6 < result.figures["f1_macro"] < 1


def test_monitor_holds_where_the_world_stays(bazaar) -> None:
    found = bazaar.monitor("2")
    assert {window.performance.standing for window in found.windows} == {PerformanceState.HOLDING}


def test_other_code_stops_scoring_and_no_training_gets_past_the_champion_that_cannot_be_measured(bazaar) -> None:
    path = Path(bazaar.home.models) / f"{NAME}.py"
    path.write_text(OTHER, "utf-8")
    bazaar.model = load_model(path.with_suffix(".yaml"))
    own_code._READ.pop(sha256(CODE.encode()).hexdigest())  # as in a process that starts now
    bazaar.land(make_bazaar(24 * 45, seed=4, start=bazaar.now))
    with pytest.raises(DataError, match=r"Put that version's file beside the model's YAML, as <model>\.<any word>\.py"):
        bazaar.score()
    _, verdict = bazaar.train("third")
    assert not verdict.accepted
    assert any("champion 1 cannot be measured" in one and "own features" in one for one in verdict.reasons)


def test_champion_goes_on_with_its_former_file_until_the_next_one_has_won(bazaar) -> None:
    folder = Path(bazaar.home.models)
    (folder / f"{NAME}.former.py").write_text(CODE, "utf-8")
    bazaar.model = load_model(folder / f"{NAME}.yaml")
    assert bazaar.score().rows > 24 * 40
    fourth, verdict = bazaar.train("fourth")
    assert verdict.accepted, verdict.reasons
    assert bazaar.monitor("4").windows[-1].performance.standing is PerformanceState.HOLDING
    number = bazaar.register(fourth, "fourth")
    bazaar.crown(number)
    bazaar.land(make_bazaar(24 * 21, seed=5, start=bazaar.now))
    assert bazaar.score().rows > 0
    rows = PredictionTable.of(bazaar.home, bazaar.model).read(number, since=START, until=bazaar.now)
    graph = OnnxModel(bazaar.registry.load_onnx(bazaar.registry.version(NAME, number)))
    assert graph.code == own_sha256(bazaar.model) == sha256(OTHER.encode()).hexdigest()
    assert rows.height >= 24 * 20
    by = {"run": RunRef("drill", "1"), "now": bazaar.now}
    assert drill(bazaar.model, bazaar.home, bazaar.registry, bazaar.journal, **by).accepted  # of the former version


def test_monitor_asks_for_a_training_when_names_words_and_prices_mean_the_opposite(bazaar) -> None:
    bazaar.land(make_bazaar(TURN, seed=3, start=bazaar.now, turn=-1))
    bazaar.score()
    later = bazaar.monitor("3")
    assert later.windows[-1].performance.standing is PerformanceState.DEGRADED
    assert later.retrain_requested
    assert Path(later.report_uri.removeprefix("file://")).exists()
