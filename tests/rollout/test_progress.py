"""How a rollout goes on: pure, from where it stands and what was observed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from almanac.config.sections.rollout import Rollout
from almanac.errors import ConfigError
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.rollout.evidence import ArmCounts, Evidence
from almanac.rollout.progress import after, by_hand, first, next_move

AT, RUN = datetime(2026, 11, 30, tzinfo=UTC), RunRef("rollout_weather", "r")
GOOD = Evidence(ArmCounts(8000), ArmCounts(2000))
BAD = Evidence(ArmCounts(8000, 100), ArmCounts(2000, 400))
UNSURE = Evidence(ArmCounts(8000), ArmCounts(2000, 41))


def declare(**more: Any) -> Rollout:
    return Rollout.model_validate({"unit": "a", "hold": {"time": "6h", "requests": 2000}, **more})


def start() -> RolloutTransition:
    return first("weather", "5", "4", ordinal=1, reason="passed", run=RUN, now=AT)


def on_step(step: int = 1, state: RolloutState = RolloutState.STEP) -> RolloutTransition:
    share = declare().steps[step - 1] if step else 0.0
    return replace(start(), number=step, entered=step, state=state, step=step, share=share)


def moved(at: RolloutTransition, evidence: Evidence, hours: float = 7, **declared: Any) -> RolloutTransition | None:
    now = AT + timedelta(hours=hours)
    move = next_move(at, declare(**declared), evidence, entered_at=at.changed_at, now=now)
    return None if move is None else after(at, move, run=RUN, now=now)


def test_rollout_begins_with_a_challenger_that_answers_nobody() -> None:
    assert (start().state, start().share) == (RolloutState.WAITING, 0.0)


def test_rollout_goes_up_the_steps_and_is_done_after_the_last() -> None:
    at, seen = start(), []
    while at.is_open:
        found = moved(replace(at, changed_at=AT), GOOD)
        assert found is not None
        at = found
        seen.append((at.state.value, at.share, at.entered))
    assert seen == [("step", 0.05, 1), ("step", 0.2, 2), ("step", 0.5, 3), ("step", 1.0, 4), ("done", 1.0, 4)]


@pytest.mark.parametrize(
    ("evidence", "hours"),
    [(Evidence(), 1000), (Evidence(ArmCounts(8000), ArmCounts(1999)), 7), (GOOD, 5.9)],
    ids=["no data", "too few rows", "too early"],
)
def test_step_waits_for_both_time_and_rows(evidence: Evidence, hours: float) -> None:
    assert moved(on_step(), evidence, hours) is None


@pytest.mark.parametrize("state", [RolloutState.WAITING, RolloutState.STEP, RolloutState.HELD, RolloutState.PAUSED])
def test_guard_that_is_proven_falls_back_from_everywhere_at_once(state: RolloutState) -> None:
    found = moved(on_step(0 if state is RolloutState.WAITING else 2, state), BAD, hours=0.01)
    assert found is not None
    assert (found.state, found.share) == (RolloutState.FALLING_BACK, 0.0)
    assert found.figures["errors.observed"] == 0.2
    assert "20.00% of its rows it did not answer" in found.reason


@pytest.mark.parametrize(
    ("on_doubt", "state"),
    [("hold", RolloutState.HELD), ("ask", RolloutState.PAUSED), ("fall_back", RolloutState.FALLING_BACK)],
)
def test_doubt_is_handled_as_declared(on_doubt: str, state: RolloutState) -> None:
    found = moved(on_step(), UNSURE, on_doubt=on_doubt)
    assert found is not None
    assert found.state is state
    assert (found.share == 0.05) == (state is not RolloutState.FALLING_BACK)


def test_held_step_goes_on_when_the_doubt_is_gone_and_stays_while_it_is_there() -> None:
    held = on_step(1, RolloutState.HELD)
    assert moved(held, UNSURE) is None
    found = moved(held, GOOD)
    assert found is not None
    assert (found.state, found.step) == (RolloutState.STEP, 2)


def test_paused_rollout_does_not_go_on_by_itself() -> None:
    assert moved(on_step(1, RolloutState.PAUSED), GOOD, 1000) is None


@pytest.mark.parametrize("state", [RolloutState.FALLING_BACK, RolloutState.DONE, RolloutState.ABORTED])
def test_ended_rollout_does_not_move(state: RolloutState) -> None:
    assert moved(on_step(1, state), BAD) is None


def test_clock_that_went_back_begins_the_step_again_and_ends_the_same() -> None:
    again = moved(on_step(), GOOD, hours=-1000)
    assert again is not None
    assert (again.state, again.share, again.entered) == (RolloutState.STEP, 0.05, 2)
    assert moved(again, GOOD, hours=-1000) is None
    assert moved(again, GOOD, hours=-993) is not None


def test_clock_that_jumped_ahead_does_not_replace_rows() -> None:
    assert moved(on_step(), Evidence(), hours=1e5) is None


def test_person_pauses_resumes_advances_sets_back_and_aborts() -> None:
    def hand(at: RolloutTransition, what: str) -> RolloutTransition:
        return after(at, by_hand(at, declare(), what, "why"), run=RUN, now=AT)

    paused = hand(on_step(2), "pause")
    assert (paused.state, paused.share, paused.entered) == (RolloutState.PAUSED, 0.2, 2)
    assert (hand(paused, "resume").state, hand(paused, "resume").entered) == (RolloutState.STEP, 2)
    assert hand(paused, "advance").share == 0.5
    back = hand(paused, "set-back")
    assert (back.state, back.step, back.share, back.entered) == (RolloutState.STEP, 1, 0.05, 4)
    assert hand(back, "set-back").state is RolloutState.WAITING
    assert hand(back, "abort").state is RolloutState.FALLING_BACK
    assert hand(on_step(4), "advance").state is RolloutState.DONE


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (on_step(1), "resume"),
        (on_step(1, RolloutState.PAUSED), "pause"),
        (on_step(1, RolloutState.FALLING_BACK), "resume"),
        (on_step(1, RolloutState.FALLING_BACK), "advance"),
        (on_step(1, RolloutState.ABORTED), "resume"),
        (on_step(1, RolloutState.DONE), "set-back"),
    ],
)
def test_person_is_refused_what_cannot_be(at: RolloutTransition, what: str) -> None:
    with pytest.raises(ConfigError, match=f"weather/1: cannot {what}: it is"):
        by_hand(at, declare(), what, "why")


def test_unknown_move_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of pause"):
        by_hand(on_step(), declare(), "jump", "why")
