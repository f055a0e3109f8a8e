"""Whatever is wrong with a version in shadow, the champion's predictions are what they are without one."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.sections.promotion import Shadow
from almanac.errors import AlmanacError, IntegrityError, RegistryError
from almanac.journal.records import RunRef
from almanac.registry.records import ModelVersion
from almanac.scoring.predictions import PredictionTable
from almanac.scoring.score import ScoreSummary, score_new_windows, score_shadow
from tests.monitoring.strange_graphs import fails, flat, graph, no_number, wide
from tests.monitoring.world import NOW, TRAINED_UNTIL, WEATHER, MemoryRegistry, World, hours

RUN = RunRef("score_weather", "manual__1")
DAY = timedelta(days=1)
SHADOWED = WEATHER.model_copy(update={"shadow": Shadow()})


class Shadows(MemoryRegistry):
    """A registry whose version 2 is in shadow; what is asked of version 2 is answered by `fault`, if it names it."""

    def __init__(self, **fault: Callable[[], object]) -> None:
        super().__init__(aliases={"shadow": "2"})
        self._fault = fault

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        return self._fault["by_alias"]() if "by_alias" in self._fault else super().by_alias(model, alias)

    def load_onnx(self, version: ModelVersion) -> bytes:
        return self._asked("load_onnx", version)

    def load_profile(self, version: ModelVersion) -> str:
        return self._asked("load_profile", version)

    def _asked(self, name: str, version: ModelVersion):
        if version.version == "2" and name in self._fault:
            return self._fault[name]()
        return getattr(super(), name)(version)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World.at(tmp_path)
    world.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL + 5 * DAY))
    return world


class Killed(BaseException):
    """What no `except Exception` holds."""


def raises(error: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise error

    return fail


FAULTS = {
    "graph file gone": ({"load_onnx": raises(RegistryError("has no file 'model/model.onnx'"))}, "has no file"),
    "graph tampered with": ({"load_onnx": raises(IntegrityError("not what was recorded"))}, "not what was recorded"),
    "no graph at all": ({"load_onnx": lambda: b"nonsense"}, "not a graph of an Almanac model"),
    "manifest tampered with": ({"load_profile": raises(IntegrityError("manifest.json"))}, "manifest.json"),
    "alias to a version that is gone": ({"by_alias": raises(RegistryError("weather@2: MLflow refuses"))}, "refuses"),
    "graph raises": ({"load_onnx": lambda: graph(fails)}, "the graph fails on"),
    "graph of one axis": ({"load_onnx": lambda: graph(flat)}, r"the graph returned float32 \(\d+,\), expected floats"),
    "graph of other width": ({"load_onnx": lambda: graph(wide)}, r"expected floats \(\d+, 2\)"),
    "graph gives no number": ({"load_onnx": lambda: graph(no_number)}, "gives no finite number for 120 of 120 rows"),
}
ENDINGS = {  # what no `except` holds: only that nobody asks helps
    "process ends": {"load_onnx": raises(SystemExit(9))},
    "hangs until it is killed": {"load_profile": raises(Killed())},
    "asked at all": {"by_alias": raises(SystemExit(9))},
}


def scored(world: World, registry: MemoryRegistry) -> tuple[ScoreSummary, pl.DataFrame]:
    summary = score_new_windows(SHADOWED, world.home, registry, run=RUN, now=NOW)
    return summary, world.predictions().sort("time").drop("latency_us")


def shadow_rows(world: World) -> pl.DataFrame:
    table = PredictionTable.shadow_of(world.home, WEATHER)
    return table.read("2", since=TRAINED_UNTIL, until=TRAINED_UNTIL + 9 * DAY)


@pytest.mark.parametrize("fault", [*(one for one, _ in FAULTS.values()), *ENDINGS.values()], ids=[*FAULTS, *ENDINGS])
def test_champion_with_a_broken_shadow_scores_what_it_scores_without(world: World, tmp_path: Path, fault) -> None:
    alone = World.at(tmp_path / "alone")
    alone.publish(hours(TRAINED_UNTIL - 2 * DAY, TRAINED_UNTIL + 5 * DAY))
    expected, rows = scored(alone, MemoryRegistry())
    got, beside = scored(world, Shadows(**fault))
    assert got == expected
    assert got.rows == 120
    assert beside.equals(rows)


@pytest.mark.parametrize(("fault", "words"), FAULTS.values(), ids=FAULTS)
def test_shadow_that_is_broken_fails_with_words_and_writes_nothing(world: World, fault, words: str) -> None:
    _, before = scored(world, Shadows(**fault))
    with pytest.raises(AlmanacError, match=words):
        score_shadow(SHADOWED, world.home, Shadows(**fault), run=RUN, now=NOW)
    assert shadow_rows(world).is_empty()
    assert world.predictions().sort("time").drop("latency_us").equals(before)


def test_shadow_scores_the_same_rows_in_a_table_of_its_own(world: World) -> None:
    _, before = scored(world, Shadows())
    summary = score_shadow(SHADOWED, world.home, Shadows(), run=RUN, now=NOW)
    assert (summary.model_version, summary.rows) == ("2", 120)
    assert summary.message == "in shadow: scored 120 rows in 5 windows with version 2"
    assert world.predictions().sort("time").drop("latency_us").equals(before)
    assert shadow_rows(world)["features_hash"].to_list() == before["features_hash"].to_list()
    assert shadow_rows(world)["id"][0] == "weather/2024-01-01T00:00:00Z/2"
    again = score_shadow(SHADOWED, world.home, Shadows(), run=RUN, now=NOW)
    assert (again.message, again.rows) == ("in shadow: nothing new to score", 0)


@pytest.mark.parametrize(
    ("model", "change"),
    [(WEATHER, {}), (SHADOWED, {"aliases": {}}), (SHADOWED, {"number": "2"}), (SHADOWED, {"number": None})],
    ids=["not declared", "nobody", "became champion", "no champion"],
)
def test_shadow_that_is_none_is_left_alone(world: World, model, change) -> None:
    registry = Shadows()
    for name, value in change.items():
        setattr(registry, name, value)
    assert score_shadow(model, world.home, registry, run=RUN, now=NOW).message == "no version is in shadow"
    assert PredictionTable.shadow_of(world.home, WEATHER).version() == -1
