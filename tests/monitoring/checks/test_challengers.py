from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from almanac.config.sections.features import names_of
from almanac.errors import TransientError
from almanac.features.features import FeatureMatrix, build_features
from almanac.features.labels import labels, state_now
from almanac.journal.journal import Journal
from almanac.monitoring.checks.challengers import LabelledWindow, judge_baselines, judge_challengers
from almanac.monitoring.checks.importance import _put_back_texts, importances, moved_predictions
from almanac.monitoring.findings import Finding, State
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import ModelVersion, Tag
from almanac.statistics.distribution import Observed
from tests.monitoring.strange_graphs import fails, flat, graph, wide
from tests.monitoring.world import NOW, TRAINED_UNTIL, WEATHER, champion_files, changed, hours

WINDOW_START = TRAINED_UNTIL
LEARNT = (TRAINED_UNTIL - timedelta(days=30)).isoformat()


def version(number: str, learnt: str = LEARNT, gates: str = "passed") -> ModelVersion:
    return ModelVersion("weather", f"run{number}", {Tag.GATES: gates, Tag.DATASET_END: learnt}, version=number)


@dataclass
class Versions:
    """Every version is the small world's own graph."""

    others: list[ModelVersion]
    away: bool = False

    def versions(self, model: str) -> list[ModelVersion]:
        return self.others

    def champion(self, model: str) -> ModelVersion | None:
        return version("9")

    def load_onnx(self, version: ModelVersion) -> bytes:
        if self.away:
            raise TransientError("MLflow is away")
        return champion_files()[0]

    def load_profile(self, version: ModelVersion) -> str:
        return champion_files()[1]


@pytest.fixture(scope="module", name="window")
def _window() -> LabelledWindow:
    """A month in which the champion guesses."""
    frame = hours(WINDOW_START - timedelta(days=2), WINDOW_START + timedelta(days=60))
    truth = labels(WEATHER, frame, now=NOW).cast(pl.Float64)
    inside = (frame["Timestamp"] >= WINDOW_START) & truth.is_not_null()
    matrix = build_features(WEATHER, frame)
    rows = inside.to_numpy()
    guess = np.random.default_rng(1).random(int(rows.sum()))
    features = replace(matrix, values=matrix.values[rows], times=matrix.times[rows])
    state = state_now(WEATHER, frame).cast(pl.Float64).to_numpy()[rows]
    return LabelledWindow(WINDOW_START, features, truth.to_numpy()[rows], guess, 0.5, state)


@pytest.fixture(scope="module", name="empty", autouse=True)
def _empty(tmp_path_factory) -> Journal:
    """A journal of which nothing is to be learned."""
    JOURNAL.append(Journal(f"sqlite:///{tmp_path_factory.mktemp('journal')}/journal.db"))
    return JOURNAL[-1]


JOURNAL: list[Journal] = []


def judged(window: LabelledWindow, *others: ModelVersion, away: bool = False) -> dict[str, Finding]:
    found = judge_challengers(WEATHER, Versions(list(others), away), JOURNAL[-1], version("9"), window)
    return {one.subject: one for one in found}


def test_judge_challengers_significantly_better_version_is_reported(window: LabelledWindow) -> None:
    one = judged(window, version("3"))["version 3"]
    assert one.state is State.ALARM
    assert one.figures["low"] > 0
    assert "better than the champion by +0." in one.text


@pytest.mark.parametrize("strange", [fails, flat, wide])
def test_judge_challengers_graph_that_cannot_answer_stops_no_other(
    window: LabelledWindow, strange, monkeypatch
) -> None:
    load = Versions.load_onnx
    broken = graph(strange)
    monkeypatch.setattr(Versions, "load_onnx", lambda self, one: broken if one.version == "4" else load(self, one))
    found = judged(window, version("4"), version("3"))
    assert found["version 4"].state is State.INSUFFICIENT
    assert "cannot be compared: the graph" in found["version 4"].text
    assert found["version 3"].state is State.ALARM


@pytest.mark.parametrize("learnt", ["", "yesterday", "2024-01-01T00:00:00"], ids=["none", "no time", "no zone"])
def test_judge_challengers_version_that_does_not_say_what_it_learned_stops_no_other(window, learnt: str) -> None:
    found = judged(window, version("4", learnt), version("3"))
    assert found["version 4"].state is State.INSUFFICIENT
    assert found["version 3"].state is State.ALARM


def test_judge_challengers_equal_version_is_fine(window: LabelledWindow) -> None:
    same = replace(window, champion=OnnxModel(champion_files()[0]).score(window.features))
    assert judged(same, version("3"))["version 3"].state is State.FINE


def test_judge_challengers_version_that_learned_from_the_window_is_not_compared(window: LabelledWindow) -> None:
    """It has seen the answers; it would always win."""
    one = judged(window, version("3", learnt=(WINDOW_START + timedelta(days=1)).isoformat()))["version 3"]
    assert one.state is State.INSUFFICIENT
    assert "trained on rows up to 2024-01-02" in one.text


def test_judge_challengers_refused_versions_and_the_champion_itself_are_left_out(window: LabelledWindow) -> None:
    assert judged(window, version("3", gates="refused"), version("9")) == {}


def test_judge_challengers_version_that_a_person_rolled_back_is_not_proposed(window: LabelledWindow) -> None:
    back = version("3")
    marked = replace(back, tags={**back.tags, Tag.ROLLED_BACK_AT: NOW.isoformat()})
    assert judged(window, marked) == {}
    assert judged(window, back)["version 3"].state is State.ALARM


def test_judge_challengers_few_labels_are_insufficient(window: LabelledWindow) -> None:
    few = replace(window, observed=window.observed[:100], champion=window.champion[:100])
    assert judged(few, version("3"))["versions"].state is State.INSUFFICIENT


def test_judge_challengers_version_that_cannot_be_loaded_is_insufficient(window: LabelledWindow) -> None:
    one = judged(window, version("3"), away=True)["version 3"]
    assert one.state is State.INSUFFICIENT
    assert one.text == "version 3 cannot be compared: MLflow is away"


def test_judge_challengers_only_so_many_versions_are_compared(window: LabelledWindow) -> None:
    model = changed(WEATHER, "monitor.rivals", versions=1)
    found = judge_challengers(model, Versions([version("5"), version("4")]), JOURNAL[-1], version("9"), window)
    assert [one.subject for one in found] == ["version 5"]


def test_judge_baseline_without_a_horizon_persistence_is_no_rule(window: LabelledWindow) -> None:
    """The present state is the label itself there: no champion could be as good."""
    label = WEATHER.label.model_copy(update={"horizon": timedelta(0)})
    found = {one.subject for one in judge_baselines(WEATHER.model_copy(update={"label": label}), window)}
    assert found == {"majority"}


def test_judge_baseline_guessing_champion_is_worse_than_persistence(window: LabelledWindow) -> None:
    found = {one.subject: one for one in judge_baselines(WEATHER, window)}
    assert found["persistence"].state is State.WARNING
    assert "of the baseline persistence" in found["persistence"].text


def test_judge_baseline_good_champion_is_fine(window: LabelledWindow) -> None:
    predicted = OnnxModel(champion_files()[0]).score(window.features)
    assert {one.state for one in judge_baselines(WEATHER, replace(window, champion=predicted))} == {State.FINE}


def test_judge_baseline_few_labels_say_nothing(window: LabelledWindow) -> None:
    few = replace(window, observed=window.observed[:99], champion=window.champion[:99], state=window.state[:99])
    assert judge_baselines(WEATHER, few) == ()


def test_importances_feature_that_decides_comes_first_and_noise_last(window: LabelledWindow) -> None:
    found = importances(WEATHER, OnnxModel(champion_files()[0]), window.features, window.observed)
    assert {one.feature for one in found} == set(names_of(WEATHER.features))
    assert found[0].loss > 0.02
    assert found[0].loss > 5 * abs(found[-1].loss)


def test_importances_same_seed_same_figures(window: LabelledWindow) -> None:
    graph = OnnxModel(champion_files()[0])
    once, again = (importances(WEATHER, graph, window.features, window.observed, repeats=1) for _ in range(2))
    assert once == again


def test_moved_predictions_names_the_column_that_moved_them() -> None:
    frame = hours(WINDOW_START, WINDOW_START + timedelta(days=30))
    references = {name: Observed.of(frame[name].to_numpy().astype(float)) for name in ("Humidity", "Wind_speed_kmph")}
    moved = frame.with_columns((pl.col("Humidity") * 0.6).alias("Humidity"))
    found = moved_predictions(WEATHER, OnnxModel(champion_files()[0]), moved, references)
    assert found[0].column == "Humidity"
    assert found[0].share > 0.95
    assert abs(found[0].change) > 0.02


def test_moved_predictions_every_column_that_is_used_has_its_share(window: LabelledWindow) -> None:
    """In whatever form: as it stands, in a window of time, as one of its texts."""
    graph = OnnxModel(champion_files()[0])
    frame = hours(WINDOW_START, WINDOW_START + timedelta(days=30))
    features = [feature.model_dump(exclude_unset=True) for feature in WEATHER.features]
    in_windows = [one for one in features if one.get("column") != "Visibility_km"]
    in_windows.append({"column": "Visibility_km", "over": "3h", "take": "mean"})
    model = type(WEATHER).model_validate({**WEATHER.model_dump(), "features": in_windows})
    names = names_of(model.features)
    renamed = {"Visibility_km_mean_3h": "Visibility_km"}  # the graph takes the mean for the reading itself

    class Windows:
        """The small world's graph, which is given the windows in place of the readings."""

        def score(self, matrix: FeatureMatrix) -> np.ndarray:
            return graph.score(replace(matrix, names=tuple(renamed.get(name, name) for name in matrix.names)))

    assert "Visibility_km" not in names
    moved = frame.with_columns(pl.col("Visibility_km") * 0.5, Weather_conditions=pl.lit("rain"))
    references = {
        "Visibility_km": Observed.of(frame["Visibility_km"].to_numpy()),
        "Weather_conditions": {"clear": 0.7, "rain": 0.2, "snow": 0.1},
    }
    found = {one.column: one for one in moved_predictions(model, Windows(), moved, references)}
    assert set(found) == {"Visibility_km", "Weather_conditions"}
    assert all(abs(one.change) > 0.001 for one in found.values())
    assert sum(one.share for one in found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("texts", "shares", "expected"),
    [
        (["a"] * 8 + ["b"] * 2, {"a": 0.5, "b": 0.5}, {"a": 5, "b": 5}),
        (["a"] * 10, {"a": 0.3, "b": 0.4, "c": 0.3}, {"a": 3, "b": 4, "c": 3}),
        (["a"] * 5 + ["new"] * 5, {"a": 0.6, "b": 0.4}, {"a": 6, "b": 4}),
        (["a"] * 5 + ["new"] * 5, {"a": 0.5, "b": 0.3}, {"a": 5, "b": 3, "new": 2}),  # 0.2 were other texts then too
        (["a"] * 4 + [None] * 6, {"a": 0.5, "b": 0.5}, {"a": 2, "b": 2, None: 6}),
        ([None] * 3, {"a": 1.0}, {None: 3}),
        (["a"] * 3, {"a": 0.5, "b": 0.5}, {"a": 2, "b": 1}),
    ],
)
def test_put_back_texts_gives_each_category_its_share(texts, shares, expected) -> None:
    back = _put_back_texts(pl.Series("sky", texts, dtype=pl.String), shares)
    assert dict(back.value_counts().iter_rows()) == expected
    kept = sum(before == after for before, after in zip(texts, back, strict=True))
    assert kept == sum(min(texts.count(name), count) for name, count in expected.items())  # no more than need be


def test_moved_predictions_nothing_moved_is_zero() -> None:
    frame = hours(WINDOW_START, WINDOW_START + timedelta(days=30))
    references = {"Humidity": Observed.of(frame["Humidity"].to_numpy())}
    (one,) = moved_predictions(WEATHER, OnnxModel(champion_files()[0]), frame, references)
    assert abs(one.change) < 1e-3


def test_moved_predictions_column_that_no_feature_reads_is_left_out() -> None:
    frame = hours(WINDOW_START, datetime(2024, 1, 10, tzinfo=UTC))
    references = {"Apparent_Temperature_C": Observed.of(np.arange(10.0))}
    assert moved_predictions(WEATHER, OnnxModel(champion_files()[0]), frame, references) == ()


def test_judge_challengers_interval_of_each_is_wider_the_more_are_compared(window: LabelledWindow) -> None:
    def half(findings: dict[str, Finding]) -> float:
        return findings["version 3"].figures["high"] - findings["version 3"].figures["gain"]

    alone = half(judged(window, version("3")))
    of_three = half(judged(window, version("3"), version("4"), version("5")))
    # Bonferroni: the two-sided 95 % quantile of one of three is the 98.33 % quantile of one
    assert of_three / alone == pytest.approx(2.39398 / 1.95996, rel=1e-4)


def test_judge_challengers_without_a_labelled_window_is_insufficient_never_silent() -> None:
    (one,) = judge_challengers(WEATHER, Versions([version("3")]), JOURNAL[-1], version("9"), None)
    assert (one.state, one.subject) == (State.INSUFFICIENT, "versions")
    assert judge_challengers(WEATHER, Versions([]), JOURNAL[-1], version("9"), None) == ()
