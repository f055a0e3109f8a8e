"""How a rollout goes on: from where it stands and what was observed to the next transition. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from almanac.config.sections.rollout import MOVES, Rollout
from almanac.errors import ConfigError
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.rollout.evidence import Evidence
from almanac.rollout.guards import GuardFinding, Verdict, ask_guards

_ON_A_STEP = (RolloutState.WAITING, RolloutState.STEP, RolloutState.HELD, RolloutState.PAUSED)


@dataclass(frozen=True)
class RolloutMove:
    """Where a rollout goes next, and why. `enters`: evidence of before does not count from here on."""

    state: RolloutState
    step: int
    share: float
    reason: str
    enters: bool = False
    figures: dict[str, float] = field(default_factory=dict)


def first(
    model: str, version: str, against: str, *, ordinal: int, reason: str, run: RunRef, now: datetime
) -> RolloutTransition:
    """The first transition of a rollout: the challenger mirrors, and answers nobody."""
    return RolloutTransition(model, ordinal, 0, version, against, RolloutState.WAITING, 0, 0.0, 0, reason, now, run)


def after(at: RolloutTransition, move: RolloutMove, *, run: RunRef, now: datetime) -> RolloutTransition:
    """The transition of a move."""
    number = at.number + 1
    return replace(
        at,
        number=number,
        state=move.state,
        step=move.step,
        share=move.share,
        entered=number if move.enters else at.entered,
        reason=move.reason,
        figures=move.figures,
        changed_at=now,
        run=run,
    )


def next_move(
    at: RolloutTransition, rollout: Rollout, evidence: Evidence, *, entered_at: datetime, now: datetime
) -> RolloutMove | None:
    """What follows from the evidence; None: nothing yet. `DONE`: the version must be promoted first.

    Args:
        at: where the rollout stands.
        rollout: declares steps and guards.
        evidence: of this visit of this step.
        entered_at: when this visit began.
        now: aware.
    """
    if at.state not in _ON_A_STEP:
        return None
    findings = ask_guards(rollout, evidence, at.share)
    if worse := [each for each in findings if each.verdict is Verdict.WORSE]:
        return fall_back("; ".join(each.words for each in worse), figures_of(worse))
    if at.state is RolloutState.PAUSED:
        return None
    if now < entered_at:  # the clock has gone back: wait from now on, and not until it has caught up
        return RolloutMove(at.state, at.step, at.share, "the clock went back; this step begins again", enters=True)
    if evidence.challenger.rows < rollout.hold.requests or (at.step and now - entered_at < rollout.hold.time):
        return None
    if doubts := [each for each in findings if each.verdict is Verdict.DOUBT]:
        return _on_doubt(at, rollout, doubts)
    words = "; ".join(each.words for each in findings)
    return step_up(at, rollout, f"{evidence.challenger.rows} rows: {words}", figures_of(findings))


def step_up(
    at: RolloutTransition, rollout: Rollout, reason: str, figures: dict[str, float] | None = None
) -> RolloutMove:
    """The next step; after the last one the rollout is done."""
    if at.step >= len(rollout.steps):
        return RolloutMove(RolloutState.DONE, at.step, at.share, reason, figures=figures or {})
    share = rollout.steps[at.step]
    return RolloutMove(RolloutState.STEP, at.step + 1, share, reason, enters=True, figures=figures or {})


def fall_back(reason: str, figures: dict[str, float] | None = None) -> RolloutMove:
    """The champion answers everybody, from now on."""
    return RolloutMove(RolloutState.FALLING_BACK, 0, 0.0, reason, enters=True, figures=figures or {})


def by_hand(at: RolloutTransition, rollout: Rollout, what: str, reason: str) -> RolloutMove:
    """What a person asks for.

    Raises:
        ConfigError: it cannot be done from where the rollout stands.
    """
    if what not in MOVES:
        raise ConfigError(f"{at.id}: got {what!r}, expected one of {', '.join(MOVES)}")
    paused = at.state is RolloutState.PAUSED
    if at.state not in _ON_A_STEP or (what == "pause" and paused) or (what == "resume" and not paused):
        raise ConfigError(f"{at.id}: cannot {what}: it is {at.state.replace('_', ' ')}. See: almanac rollout show")
    if what == "pause":
        return RolloutMove(RolloutState.PAUSED, at.step, at.share, reason)
    if what == "resume":
        return RolloutMove(RolloutState.STEP if at.step else RolloutState.WAITING, at.step, at.share, reason)
    if what == "advance":
        return step_up(at, rollout, reason)
    if what == "set-back":
        step = min(max(at.step - 1, 0), len(rollout.steps))
        share = rollout.steps[step - 1] if step else 0.0
        return RolloutMove(RolloutState.STEP if step else RolloutState.WAITING, step, share, reason, enters=True)
    return fall_back(reason)


def _on_doubt(at: RolloutTransition, rollout: Rollout, doubts: list[GuardFinding]) -> RolloutMove | None:
    words, figures = "; ".join(each.words for each in doubts), figures_of(doubts)
    if rollout.on_doubt == "fall_back":
        return fall_back(f"in doubt, and on_doubt is fall_back: {words}", figures)
    if rollout.on_doubt == "ask":
        return RolloutMove(RolloutState.PAUSED, at.step, at.share, f"a person must decide: {words}", figures=figures)
    if at.state is RolloutState.HELD:
        return None
    return RolloutMove(RolloutState.HELD, at.step, at.share, words, figures=figures)


def figures_of(findings: list[GuardFinding]) -> dict[str, float]:
    """The figures of findings, as a transition keeps them: `errors.observed`, ..."""
    return {f"{each.guard}.{name}": value for each in findings for name, value in each.figures.items()}
