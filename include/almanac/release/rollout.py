"""Starts, continues and ends rollouts. Promotion at the end of one is the promotion of every other version."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import ConfigError, PermanentError, RegistryError
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.registry.errors import mlflow_errors
from almanac.registry.records import CHAMPION, Tag
from almanac.release.promotion import check_promotable, promote
from almanac.rollout.progress import RolloutMove, after, by_hand, fall_back, first
from almanac.rollout.watch import declared_rollout, find_move

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_log = logging.getLogger(__name__)
_TRIES = 5  # of a move that another process was faster to make


def start_rollout(
    registry: "Registry", model: Model, version: str, *, reason: str, run: RunRef, journal: Journal, now: datetime
) -> RolloutTransition:
    """Begin a rollout; the one that is there already, where a retry asks again.

    Args:
        registry: where.
        model: declares the steps.
        version: that takes over from the champion.
        reason: why it may.
        run: who asks.
        journal: takes the transition.
        now: aware.

    Raises:
        ConfigError: a rollout of another version is under way, or there is no champion to take over from.
        RegistryError: there is no such version, or it has not passed the gates.
        TransientError: MLflow or the journal is away.
    """
    declared_rollout(model)
    check_promotable(registry, model, version)
    against = registry.aliases(model.name).get(CHAMPION, "")
    if against in ("", version):
        raise ConfigError(f"{model.name}@{version}: there is no other champion to take over from; promote it at once")
    rollouts = Rollouts(journal)
    for _ in range(_TRIES):
        last = rollouts.newest(model.name)
        if last is not None and last.is_open:
            if last.version == version:
                return last
            raise ConfigError(
                f"{model.name}@{version}: the rollout {last.id} of version {last.version} is under way; expected one at"
                f" a time. Wait for its end, or abort it: almanac rollout abort {model.name} --reason ..."
            )
        ordinal = 1 if last is None else last.ordinal + 1
        begun = first(model.name, version, against, ordinal=ordinal, reason=reason, run=run, now=now)
        if rollouts.record(begun):
            return begun
    raise ConfigError(f"{model.name}: its rollouts change again and again; look at almanac rollout show {model.name}")


def continue_rollout(
    home: Home,
    model: Model,
    registry: "Registry",
    journal: Journal,
    *,
    notify: Callable[[RolloutTransition], object],
    run: RunRef,
    now: datetime,
) -> RolloutTransition | None:
    """Look at the open rollout once, and do what follows. Any number of processes may do so at once.

    Args:
        home: where the log of answers is.
        model: declares the steps.
        registry: holds the version.
        journal: takes the transition.
        notify: called with the transition at which people are needed; it may be called again after a crash.
        run: who looks.
        now: aware.

    Returns:
        Where it stands now; None: no rollout is open.

    Raises:
        TransientError: MLflow, the journal or a store is away; nothing is lost.
    """
    rollouts = Rollouts(journal)
    at = rollouts.newest(model.name)
    if at is None or not at.is_open:
        return None
    if at.state is not RolloutState.FALLING_BACK:
        move = _move_of_aliases(registry, at) or find_move(home, model, rollouts, at, now=now)
        if move is None:
            notify(at)
            return at
        at = _make(model, registry, rollouts, at, move, run=run, now=now)
    if at.state is RolloutState.FALLING_BACK:
        _mark(registry, at, now)
        notify(at)
        ended = RolloutMove(RolloutState.ABORTED, at.step, 0.0, at.reason, figures=at.figures)
        return _make(model, registry, rollouts, at, ended, run=run, now=now)
    notify(at)
    return at


def move_rollout(
    model: Model, registry: "Registry", journal: Journal, what: str, *, reason: str, run: RunRef, now: datetime
) -> RolloutTransition:
    """What a person asks for: pause, resume, advance, set-back, abort.

    Raises:
        ConfigError: no rollout is open, or it cannot be done from where it stands.
        TransientError: MLflow (for the last step) or the journal is away.
    """
    rollouts = Rollouts(journal)
    for _ in range(_TRIES):
        at = rollouts.newest(model.name)
        if at is None or not at.is_open:
            raise ConfigError(f"{model.name}: no rollout is under way, so there is none to {what}")
        if what == "abort" and at.state is RolloutState.FALLING_BACK:
            return at
        move = fall_back(reason) if what == "abort" else by_hand(at, declared_rollout(model), what, reason)
        made = _make(model, registry, rollouts, at, move, run=run, now=now)
        if made.run == run:
            return made
    raise ConfigError(f"{model.name}: its rollout changes again and again; look at almanac rollout show {model.name}")


def gave_up(journal: Journal, model: str, version: str) -> RolloutTransition | None:
    """The end of the last rollout of a version, if it was no promotion; None: there was none, or it is open."""
    last = next(iter(Rollouts(journal).all(model, version=version, limit=1)), None)
    return last if last is not None and last.state is RolloutState.ABORTED else None


def _move_of_aliases(registry: "Registry", at: RolloutTransition) -> RolloutMove | None:
    """What follows from what others did to the aliases; None: nothing."""
    champion = registry.aliases(at.model).get(CHAMPION, "")
    if champion == at.version:
        return RolloutMove(RolloutState.DONE, at.step, at.share, "it is champion")
    if champion != at.against:
        words = f"the champion was version {at.against} and is now {champion or 'none'}, so its figures compare nothing"
        return fall_back(words)
    try:
        registry.version(at.model, at.version)
    except RegistryError as error:
        return fall_back(f"the version cannot be read: {error}")
    return None


def _make(
    model: Model,
    registry: "Registry",
    rollouts: Rollouts,
    at: RolloutTransition,
    move: RolloutMove,
    *,
    run: RunRef,
    now: datetime,
) -> RolloutTransition:
    """Write the transition; before that of the end the version becomes champion. Another process may be faster."""
    if move.state is RolloutState.DONE and registry.aliases(at.model).get(CHAMPION) != at.version:
        reason = f"rollout {at.id}: {move.reason}"
        try:
            promote(registry, model, at.version, reason=reason, run=run, journal=rollouts.journal, now=now)
        except PermanentError as error:
            move = fall_back(f"it cannot be promoted: {error}")
    made = after(at, move, run=run, now=now)
    if rollouts.record(made):
        return made
    newest = rollouts.newest(at.model)
    return made if newest is None else newest


def _mark(registry: "Registry", at: RolloutTransition, now: datetime) -> None:
    """Mark the version that fell back, for those who see it in MLflow; the journal decides, as for every mark."""
    tags = {Tag.ROLLOUT_ABORTED_AT: now.isoformat(), Tag.ROLLOUT_REASON: at.reason}
    try:
        with mlflow_errors(f"{at.model}@{at.version}: mark its rollout"):
            for name, value in tags.items():
                registry.client.set_model_version_tag(at.model, at.version, name.value, value)
    except RegistryError as error:
        _log.warning("%s: version %s is not marked: %s", at.id, at.version, error)  # it was deleted
