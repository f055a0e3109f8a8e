"""Which way a registered version goes: every rule alone turns one that would be promoted."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.pipelines import Pipeline
from almanac.config.sections.promotion import Shadow
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.records import Tag
from almanac.release.route import GATES, Route, Way, find_route, route
from tests.security.registry import MemoryRegistry

AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
RUN = RunRef("train_weather", "r", 1, "airflow", "scheduled")


@dataclass(frozen=True)
class World:
    """Version 2 has passed its gates against champion 1, and the model's versions are promoted by the rule alone."""

    model: Model
    registry: MemoryRegistry
    journal: Journal

    def tag(self, tag: Tag, text: str) -> "World":
        self.registry.tags["2"][tag] = text
        return self

    def declare(self, **changes: object) -> "World":
        return replace(self, model=self.model.model_copy(update=changes))

    def judged(self, *ask: str, accepted: bool = True, subject: str = "mlflow 2") -> "World":
        self.journal.record_decision(
            Decision("weather", DecisionKind.GATES, accepted, ("x",), AT, RUN, subject, ask=ask)
        )
        return self

    def find(self) -> Route:
        return find_route(self.model, self.registry, self.journal, "2")  # type: ignore[arg-type]

    def route(self) -> Route:
        return route(self.model, self.registry, self.journal, "2", run=RUN, now=AT)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    registry = MemoryRegistry("weather", named={"champion": "1"})
    registry.add("1", parent_version="")
    registry.add("2", parent_version="1")
    model = find_model(MODELS_FOLDER, "weather").model_copy(update={"promotion": "auto", "shadow": None})
    return World(model, registry, Journal(f"sqlite:///{tmp_path}/journal.db"))


def shadowed(world: World, then: str, verdict: str = "passed") -> World:
    declared = world.declare(shadow=Shadow(rows=500, then=then))
    return declared.tag(Tag.SHADOW, verdict).tag(Tag.SHADOW_AGAINST, "1").tag(Tag.SHADOW_REASON, "as good on 500 rows")


ASKS = "30% get another label"
WAYS: dict[str, tuple[Callable[[World], World], Way, str]] = {
    "nothing against it": (lambda w: w, Way.PROMOTE, GATES),
    "rolled back": (lambda w: w.tag(Tag.ROLLED_BACK_AT, "2026-11-20"), Way.STAY, "it was rolled back at 2026-11-20"),
    "measured against another": (
        lambda w: w.tag(Tag.PARENT_VERSION, "0"),
        Way.STAY,
        "measured against champion 0, but the champion is now 1",
    ),
    "measured against none": (
        lambda w: w.tag(Tag.PARENT_VERSION, ""),
        Way.STAY,
        "measured against champion none, but the champion is now 1",
    ),
    "compared in shadow with another": (
        lambda w: w.tag(Tag.SHADOW_AGAINST, "0"),
        Way.STAY,
        "measured against champion 0, but the champion is now 1",
    ),
    "manual": (lambda w: w.declare(promotion="manual"), Way.STAY, "./almanac promote weather@2"),
    "approve": (lambda w: w.declare(promotion="approve"), Way.ASK, "declares promotion: approve"),
    "the tag asks": (lambda w: w.tag(Tag.ASK, ASKS), Way.ASK, ASKS),
    "the journal asks": (lambda w: w.judged(ASKS), Way.ASK, ASKS),
    "the journal asks of another version": (lambda w: w.judged(ASKS, subject="mlflow 3"), Way.PROMOTE, GATES),
    "the journal asked when it was refused": (lambda w: w.judged(ASKS, accepted=False), Way.PROMOTE, GATES),
    "not yet in shadow": (lambda w: w.declare(shadow=Shadow(rows=500)), Way.SHADOW, "in shadow until 500"),
    "refused in shadow": (lambda w: shadowed(w, "promote", "refused"), Way.STAY, "as good on 500 rows"),
    "passed in shadow": (lambda w: shadowed(w, "promote"), Way.PROMOTE, "as good on 500 rows"),
    "passed in shadow, then ask": (lambda w: shadowed(w, "ask"), Way.ASK, "as good on 500 rows"),
    "passed in shadow, then nothing": (lambda w: shadowed(w, "nothing"), Way.STAY, "promotion is manual"),
    "passed in shadow, the gates ask": (lambda w: shadowed(w, "promote").tag(Tag.ASK, ASKS), Way.ASK, ASKS),
}


@pytest.mark.parametrize("case", WAYS.values(), ids=WAYS)
def test_find_route_by_each_rule_alone(world: World, case: tuple[Callable[[World], World], Way, str]) -> None:
    prepare, way, why = case
    found = prepare(world).find()
    assert found.way is way
    assert why in "; ".join(found.reasons)


def test_find_route_of_the_first_version_needs_no_shadow(world: World) -> None:
    world.registry.named.clear()
    assert world.declare(shadow=Shadow(rows=500)).tag(Tag.PARENT_VERSION, "").find().way is Way.PROMOTE


def test_find_route_of_the_champion_itself_is_done(world: World) -> None:
    """A step that is tried again after it has promoted."""
    world.registry.named["champion"] = "2"
    assert world.find() == Route(Way.PROMOTE, ("it is already champion",))


def test_find_route_without_monitoring_stays(world: World) -> None:
    found = world.declare(pipelines={**world.model.pipelines, "monitor": Pipeline(enabled=False)}).find()
    assert (found.way, found.reasons[0]) == (
        Way.STAY,
        "cannot be promoted: monitor: its pipeline is disabled (pipelines.monitor.enabled)",
    )


def test_find_route_names_a_reason_once_that_tag_and_journal_give(world: World) -> None:
    found = world.tag(Tag.ASK, f"{ASKS}\nanother").judged(ASKS).find()
    assert found == Route(Way.ASK, (ASKS, "another"))


def test_route_writes_a_refusal_once_a_run(world: World) -> None:
    manual = world.declare(promotion="manual")
    assert [manual.route().way for _ in range(2)] == [Way.STAY] * 2
    (decisions,) = manual.journal.decisions("weather", DecisionKind.PROMOTION)
    assert (decisions.accepted, decisions.subject, decisions.run) == (False, "weather@2", RUN)


def test_route_that_promotes_writes_nothing_yet(world: World) -> None:
    assert world.route().way is Way.PROMOTE
    assert world.journal.decisions("weather", DecisionKind.PROMOTION) == []


def test_route_into_the_shadow_gives_the_alias(world: World) -> None:
    assert world.declare(shadow=Shadow(rows=500)).route().way is Way.SHADOW
    assert world.registry.named["shadow"] == "2"
