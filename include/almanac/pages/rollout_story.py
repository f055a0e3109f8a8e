"""The rollouts of a model as its page tells them: shares over time, what the guards knew, and each transition."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutTransition
from almanac.journal.rollouts import Rollouts
from almanac.rollout.guards import ask_guards
from almanac.rollout.intervals import GuardInterval, intervals_of
from almanac.rollout.progress import figures_of
from almanac.rollout.watch import observe

ROLLOUTS = 5  # that the page shows
_TRANSITIONS = 500


@dataclass(frozen=True)
class GuardLook:
    """What the guards knew at one time.

    Attributes:
        number: of the transition that rests on it; None: of this moment.
        step: that it is about.
        intervals: one for each guard with a limit.
    """

    number: int | None
    step: int
    intervals: tuple[GuardInterval, ...]


@dataclass(frozen=True)
class RolloutStory:
    """One rollout.

    Attributes:
        transitions: the newest first.
        looks: likewise.
        shares: (place in time from 0 to 1, share that the challenger answers from there on), the oldest first.
        until: the right end of time: now, or the last transition.
        problem: why nothing is known of this moment; empty: something is, or the rollout is over.
    """

    id: str
    version: str
    against: str
    is_open: bool
    transitions: tuple[RolloutTransition, ...]
    looks: tuple[GuardLook, ...]
    shares: tuple[tuple[float, float], ...]
    until: datetime
    problem: str

    @property
    def newest(self) -> RolloutTransition:
        """Where it stands."""
        return self.transitions[0]

    @property
    def oldest(self) -> RolloutTransition:
        """How it began."""
        return self.transitions[-1]


def rollout_stories(home: Home, model: Model, journal: Journal, now: datetime) -> tuple[RolloutStory, ...]:
    """The newest rollouts of a model.

    Raises:
        TransientError: the journal is unreachable. The log of answers may be: then the story says so.
    """
    rollouts = Rollouts(journal)
    found = groupby(rollouts.all(model.name, limit=_TRANSITIONS), key=lambda one: one.ordinal)
    return tuple(
        _story(home, model, rollouts, tuple(transitions), now)
        for _, (_, transitions) in zip(range(ROLLOUTS), found, strict=False)
    )


def _story(
    home: Home, model: Model, rollouts: Rollouts, transitions: tuple[RolloutTransition, ...], now: datetime
) -> RolloutStory:
    at, first, problem = transitions[0], transitions[-1], ""
    looks = _recorded(model, transitions)
    if at.is_live and model.rollout is not None:
        try:
            findings = ask_guards(model.rollout, observe(home, model, rollouts, at), at.share)
            looks.insert(0, GuardLook(None, at.step, _intervals(model, figures_of(findings))))
        except TransientError as error:
            problem = f"The log of answers cannot be read now: {error}"
    until = max(now, at.changed_at) if at.is_open else at.changed_at
    return RolloutStory(
        at.id,
        at.version,
        at.against,
        at.is_open,
        transitions,
        tuple(look for look in looks if look.intervals),
        _shares(transitions, first.changed_at, until),
        until,
        problem,
    )


def _recorded(model: Model, transitions: tuple[RolloutTransition, ...]) -> list[GuardLook]:
    """The looks at which the rollout moved; the last row of one that fell back repeats the figures before it."""
    return [
        GuardLook(one.number, before.step, _intervals(model, one.figures))
        for one, before in pairwise(transitions)
        if one.figures != before.figures
    ]


def _intervals(model: Model, figures: dict[str, float]) -> tuple[GuardInterval, ...]:
    return () if model.rollout is None else intervals_of(figures, model.rollout)


def _shares(
    transitions: tuple[RolloutTransition, ...], since: datetime, until: datetime
) -> tuple[tuple[float, float], ...]:
    length = (until - since).total_seconds()
    return tuple(
        (min(max((one.changed_at - since).total_seconds() / length, 0.0), 1.0) if length > 0 else 0.0, one.share)
        for one in reversed(transitions)
    )
