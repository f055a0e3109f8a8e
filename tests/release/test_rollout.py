"""Rollouts and the registry: begun in place of a promotion, continued by anybody, ended once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Approval
from almanac.config.sections.rollout import Rollout
from almanac.config.sections.serving import Serving
from almanac.errors import ConfigError, RegistryError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import AliasMove, Decision, DecisionKind, RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.release import rollout as release
from almanac.release.approval import Desk, promote_as_answered
from almanac.release.promotion import roll_back
from almanac.release.rollout import continue_rollout, gave_up, move_rollout, start_rollout
from almanac.release.route import Way, find_route
from almanac.rollout import watch
from almanac.rollout.evidence import ArmCounts, Evidence
from tests.security.registry import MemoryRegistry

AT, RUN = datetime(2026, 11, 21, 9, tzinfo=UTC), RunRef("rollout_weather", "r", 1, "airflow", "scheduled")
GOOD, BAD = Evidence(ArmCounts(8000), ArmCounts(2000)), Evidence(ArmCounts(8000), ArmCounts(2000, 400))


class Killed(BaseException):
    """The process ends here."""


class Registry(MemoryRegistry):
    """Says as MLflow does that a version is not there."""

    def version(self, model: str, number: str) -> Any:
        if number not in self.tags:
            raise RegistryError(f"{model}@{number}: not found")
        return super().version(model, number)

    def versions(self, model: str) -> list[Any]:
        return [self.version(model, number) for number in self.tags]

    def set_model_version_tag(self, model: str, number: str, name: str, text: str) -> None:
        self.version(model, number)
        super().set_model_version_tag(model, number, name, text)


class World:
    """Champion 1, and version 2, which has passed its gates."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = Home(home=folder, models=MODELS_FOLDER)
        self.journal = Journal(self.home.journal_url)
        self.rollouts = Rollouts(self.journal)
        self.registry = Registry("weather", named={"champion": "1", "challenger": "2"})
        for number, parent in (("1", ""), ("2", "1"), ("3", "1")):
            self.registry.add(number, parent_version=parent)
        self.journal.record_alias_move(AliasMove("weather", "champion", "", "1", "first", AT, RUN))
        self.model: Model = find_model(MODELS_FOLDER, "weather").model_copy(
            update={
                "promotion": "auto",
                "approval": Approval(),
                "serve": Serving(),
                "rollout": Rollout.model_validate({"unit": "Timestamp", "steps": ["20%", "100%"]}),
            }
        )
        self.evidence, self.now, self.told = GOOD, AT, list[str]()
        monkeypatch.setattr(watch.VisitCounts, "count", lambda _: self.evidence)

    def start(self, version: str = "2") -> RolloutTransition:
        told: dict[str, Any] = {"reason": "gates", "run": RUN, "journal": self.journal, "now": self.now}
        return start_rollout(self.registry, self.model, version, **told)  # type: ignore[arg-type]

    def look(self, tell: Callable[[RolloutTransition], object] | None = None) -> RolloutTransition | None:
        self.now += timedelta(hours=7)
        tell = tell or (lambda at: self.told.append(at.state.value))
        return continue_rollout(
            self.home,
            self.model,
            self.registry,
            self.journal,
            notify=tell,
            run=RUN,
            now=self.now,  # type: ignore[arg-type]
        )

    def hand(self, what: str) -> RolloutTransition:
        run = RunRef("almanac", f"by hand {what} {self.now}", started_by="ada")
        return move_rollout(self.model, self.registry, self.journal, what, reason="why", run=run, now=self.now)  # type: ignore[arg-type]

    def states(self) -> list[str]:
        return [one.state.value for one in self.rollouts.all("weather")][::-1]

    def desk(self, version: str = "2") -> Desk:
        self.journal.record_decision(
            Decision("weather", DecisionKind.GATES, True, ("passed",), AT, RUN, f"mlflow {version}")
        )
        return Desk(self.model, version, self.home, self.registry, self.journal, RUN, AT)  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_promotion_of_a_model_with_a_rollout_begins_it_and_moves_no_alias(world: World) -> None:
    done = promote_as_answered(world.desk())
    assert not done.accepted
    assert "the rollout weather/1 has begun" in done.reasons[0]
    assert world.registry.named["champion"] == "1"
    assert promote_as_answered(world.desk()).reasons == done.reasons  # a retry begins no second one
    assert world.states() == ["waiting"]


def test_promotion_without_a_champion_is_made_at_once(world: World) -> None:
    del world.registry.named["champion"]
    world.registry.tags["2"]["almanac.parent_version"] = ""
    assert promote_as_answered(world.desk()).accepted
    assert world.registry.named["champion"] == "2"


def test_rollout_of_a_version_whose_gates_did_not_pass_is_refused(world: World) -> None:
    world.registry.tags["2"]["almanac.gates"] = "refused"
    with pytest.raises(RegistryError, match="has not passed the gates"):
        world.start()
    assert world.states() == []


def test_rollout_ends_by_the_promotion_of_every_other_version(world: World) -> None:
    world.start()
    for _ in range(3):
        assert world.registry.named["champion"] == "1"
        at = world.look()
    assert at is not None
    assert world.states() == ["waiting", "step", "step", "done"]
    assert (world.registry.named["champion"], world.registry.named["previous"]) == ("2", "1")
    assert "rollout weather/1" in world.journal.alias_moves("weather", 1, alias="champion")[0].reason
    assert world.look() is None


def test_rollout_that_falls_back_marks_the_version_and_tells(world: World) -> None:
    world.start()
    world.look()
    world.evidence = BAD
    at = world.look()
    assert at is not None
    assert world.states() == ["waiting", "step", "falling_back", "aborted"]
    assert at.figures["errors.observed"] == 0.2
    assert world.told[-1] == "falling_back"
    assert "did not answer" in world.registry.tags["2"]["almanac.rollout_reason"]
    assert world.registry.named["champion"] == "1"


def test_version_that_fell_back_is_not_proposed_again_and_a_person_may_start_it_again(world: World) -> None:
    world.start()
    world.hand("abort")
    assert gave_up(world.journal, "weather", "2") is None  # the mark and the alert are still to come
    world.look()
    assert gave_up(world.journal, "weather", "2") is not None
    found = find_route(world.model, world.registry, world.journal, "2")  # type: ignore[arg-type]
    assert found.way is Way.STAY
    assert "its rollout weather/1 fell back: why" in found.reasons[0]
    assert world.start().ordinal == 2
    for _ in range(3):
        world.look()
    assert world.registry.named["champion"] == "2"
    assert "almanac.rollout_aborted_at" not in world.registry.tags["2"]


def test_two_rollouts_at_once_are_refused(world: World) -> None:
    world.start()
    with pytest.raises(ConfigError, match="the rollout weather/1 of version 2 is under way"):
        world.start("3")
    assert not promote_as_answered(world.desk("3")).accepted
    assert {one.version for one in world.rollouts.all("weather")} == {"2"}


def test_rollback_during_a_rollout_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.registry.onnx_model.OnnxModel", lambda graph: graph)
    world.journal.record_alias_move(AliasMove("weather", "champion", "", "3", "first", AT, RUN))
    world.start()
    world.look()
    run = RunRef("rollback_weather", "b")
    roll_back(world.registry, "weather", to="3", reason="bad", run=run, journal=world.journal, now=AT)  # type: ignore[arg-type]
    at = world.look()
    assert at is not None
    assert at.state is RolloutState.ABORTED
    assert "the champion was version 1 and is now 3" in at.reason


def test_rollout_whose_version_is_deleted_ends(world: World) -> None:
    world.start()
    del world.registry.tags["2"]
    at = world.look()
    assert at is not None
    assert at.state is RolloutState.ABORTED
    assert "not found" in at.reason


def test_rollout_without_data_promotes_nothing(world: World) -> None:
    world.evidence = Evidence()
    world.start()
    for _ in range(5):
        world.look()
    assert world.states() == ["waiting"]


def test_rollout_of_a_bad_champion_is_not_stuck(world: World) -> None:
    world.evidence = Evidence(ArmCounts(8000, 4000), ArmCounts(2000, 0))
    world.start()
    for _ in range(3):
        world.look()
    assert world.registry.named["champion"] == "2"


def test_version_that_was_promoted_by_somebody_else_ends_its_rollout(world: World) -> None:
    world.start()
    world.registry.named["champion"] = "2"
    at = world.look()
    assert at is not None
    assert at.state is RolloutState.DONE


@pytest.mark.parametrize("evidence", [GOOD, BAD], ids=["good", "bad"])
def test_rollout_killed_before_and_after_every_write_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    fuse = {"left": -1}

    def burn() -> None:
        fuse["left"] -= 1
        if fuse["left"] == -1:
            raise Killed

    def burning(call: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:
            burn()
            done = call(*args, **more)
            burn()
            return done

        return step

    for owner, name in ((Rollouts, "record"), (release, "_mark"), (release, "promote")):
        monkeypatch.setattr(owner, name, burning(getattr(owner, name)))
    steps = ["step", "step", "done"] if evidence is GOOD else ["falling_back", "aborted"]
    for point in range(8 if evidence is GOOD else 6):
        world = World(tmp_path / str(point), monkeypatch)
        world.evidence = evidence
        world.start()
        fuse["left"] = point
        killed = 0
        for _ in range(6):
            try:
                world.look()
            except Killed:
                killed += 1
        assert killed == 1
        assert world.states() == ["waiting", *steps]
        assert world.registry.named["champion"] == ("2" if evidence is GOOD else "1")
        assert world.told[-1] == ("falling_back" if evidence is BAD else world.told[-1])


def test_two_schedulers_at_once_make_one_transition(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start()
    record = Rollouts.record

    def second(self: Rollouts, transition: RolloutTransition) -> bool:
        monkeypatch.setattr(Rollouts, "record", record)
        world.look()  # another scheduler is faster
        return record(self, transition)

    monkeypatch.setattr(Rollouts, "record", second)
    world.look()
    assert world.states() == ["waiting", "step"]


def test_registry_that_is_away_loses_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start()

    def away(_: str) -> None:
        raise TransientError("MLflow does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.registry, "aliases", away)
        with pytest.raises(TransientError):
            world.look()
    world.look()
    assert world.states() == ["waiting", "step"]


def test_person_moves_a_rollout_and_the_journal_says_who(world: World) -> None:
    world.start()
    assert world.hand("advance").share == 0.2
    assert world.hand("pause").state is RolloutState.PAUSED
    world.look()
    assert world.hand("resume").state is RolloutState.STEP
    assert world.hand("set-back").state is RolloutState.WAITING
    world.hand("advance")
    world.hand("advance")
    assert world.hand("advance").state is RolloutState.DONE
    assert world.registry.named["champion"] == "2"
    assert {one.run.started_by for one in world.rollouts.all("weather") if one.number} == {"ada"}
    with pytest.raises(ConfigError, match="no rollout is under way"):
        world.hand("abort")


def test_abort_needs_no_declaration(world: World) -> None:
    world.start()
    world.model = world.model.model_copy(update={"rollout": None})
    assert world.hand("abort").state is RolloutState.FALLING_BACK


def test_version_that_cannot_be_promoted_at_the_end_falls_back(world: World) -> None:
    world.start()
    world.look()
    world.look()
    world.registry.tags["2"]["almanac.gates"] = "refused"
    at = world.look()
    assert at is not None
    assert at.state is RolloutState.ABORTED
    assert "it cannot be promoted" in at.reason
    assert replace(at, reason="").share == 0.0
