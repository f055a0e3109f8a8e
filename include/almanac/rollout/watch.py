"""Looks at an open rollout: what was observed, and what follows from it."""

from datetime import datetime

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.rollout import Rollout
from almanac.errors import ConfigError
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.rollout.evidence import Evidence, Visit, VisitCounts
from almanac.rollout.progress import RolloutMove, after, next_move


def declared_rollout(model: Model) -> Rollout:
    """The section `rollout` of a model.

    Raises:
        ConfigError: there is none.
    """
    if model.rollout is None:
        raise ConfigError(f"{model.name}: its YAML declares no `rollout`. Declare it again, or abort the rollout")
    return model.rollout


def entered_at(rollouts: Rollouts, at: RolloutTransition) -> datetime:
    """When this visit of the step began."""
    found = [one.changed_at for one in rollouts.all(at.model, ordinal=at.ordinal) if one.number == at.entered]
    return found[0] if found else at.changed_at


class RolloutObserver:
    """Observes one model's rollouts again and again; of a visit that it has observed before it reads what is new."""

    def __init__(self) -> None:
        self._counts: VisitCounts | None = None

    def observe(self, home: Home, model: Model, rollouts: Rollouts, at: RolloutTransition) -> Evidence:
        """What the log of answers says of this visit of the step.

        Raises:
            TransientError: a store or the journal is unreachable.
        """
        guard = declared_rollout(model).guard
        visit = Visit(
            home.answers_of(at.model),
            home.outcomes_of(at.model),
            at.visit,
            since=entered_at(rollouts, at),
            mirroring=not at.share,
            p99_ms=guard.p99_ms,
            metric=guard.outcome.metric if guard.outcome else None,
        )
        if self._counts is None or self._counts.visit != visit:
            self._counts = VisitCounts(visit)
        return self._counts.count()


def observe(home: Home, model: Model, rollouts: Rollouts, at: RolloutTransition) -> Evidence:
    """The same, once."""
    return RolloutObserver().observe(home, model, rollouts, at)


def find_move(
    home: Home,
    model: Model,
    rollouts: Rollouts,
    at: RolloutTransition,
    *,
    now: datetime,
    observer: RolloutObserver | None = None,
) -> RolloutMove | None:
    """What follows from what was observed; None: nothing yet."""
    evidence = (observer or RolloutObserver()).observe(home, model, rollouts, at)
    return next_move(at, declared_rollout(model), evidence, entered_at=entered_at(rollouts, at), now=now)


def fall_back_if_worse(
    home: Home,
    model: Model,
    rollouts: Rollouts,
    at: RolloutTransition,
    *,
    run: RunRef,
    now: datetime,
    observer: RolloutObserver | None = None,
) -> bool:
    """Let the champion answer everybody where a guard says so; what else follows waits for the DAG.

    Any number of servers may do so at once, beside the DAG: one of them writes the transition.
    """
    move = find_move(home, model, rollouts, at, now=now, observer=observer)
    if move is None or move.state is not RolloutState.FALLING_BACK:
        return False
    return rollouts.record(after(at, move, run=run, now=now))
