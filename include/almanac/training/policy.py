"""Whether a wake-up may train. One durable policy for all triggers, kept in the journal.

A *granted* training is an accepted TRAINING decision. It *finished* when the same run also wrote a GATES decision,
whichever way that went: then its rows are spent, and training on them again would only repeat the answer.

- Cooldown counts from the last grant that finished. A grant whose run died trained nothing, so it holds others back
  only for `GRACE`, the time in which it may still be at work.
- New rows count from the last training that finished.
- The weekly budget counts every grant, so that a run which dies again and again cannot train for ever.
- A change of the declaration or the code needs no new rows.
- A person by hand overrules all three, and that is written down. Nobody overrules a history too short to backtest, or
  folds on which nothing can be trained or measured.
- What a person tried by hand and the gates refused starts no cooldown and spends no rows: an experiment must not keep
  the monitor's requests waiting.
- Without a champion the cooldown is waived: there is nothing in production whose rest it would protect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.training.backtest.backtest import fold_faults, known_labels, rows_before_backtest

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

Trigger = Literal["manual", "schedule", "new_data", "retrain_request", "change"]
GRACE = timedelta(hours=2)
WEEK = timedelta(days=7)
LABELLED_ROWS = "labelled_rows"


@dataclass(frozen=True)
class LabelledCount:
    """How much there is to learn from.

    Attributes:
        rows: rows whose label is known.
        before_backtest: those that the first fold of the backtest could train on.
        faults: why nothing could be trained or measured on the folds; see `fold_faults`.
    """

    rows: int
    before_backtest: int
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Check:
    """One limit of the policy: what it says when it refuses, or None."""

    refusal: str | None
    overruled_by_hand: bool = True


def count_labelled(model: Model, frame: "pl.DataFrame", *, now: datetime) -> LabelledCount:
    """Count the rows that training could use, reading no more than `label_columns`."""
    frame = frame.sort(model.dataset.time)
    labels = known_labels(model, frame, now=now).drop_nulls().to_numpy()
    times = label_times(model, frame, now=now)
    before = rows_before_backtest(model, times)
    is_enough = before >= model.train.backtest.min_train_rows
    return LabelledCount(len(times), before, fold_faults(model, times, labels) if is_enough else ())


def label_times(model: Model, frame: "pl.DataFrame", *, now: datetime) -> "NDArray[np.datetime64]":
    """The times of the rows whose label is known, datetime64[us] [n], sorted."""
    frame = frame.sort(model.dataset.time)
    known = frame.filter(known_labels(model, frame, now=now).is_not_null())
    times: NDArray[np.datetime64] = (
        known[model.dataset.time].dt.cast_time_unit("us").dt.replace_time_zone(None).to_numpy()
    )
    return times


def decide_training(
    model: Model,
    *,
    trigger: Trigger,
    reason: str,
    labelled: LabelledCount,
    champion: str | None,
    journal: Journal,
    now: datetime,
    run: RunRef,
    impossible: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> Decision:
    """Decide, write the decision into the journal, and return it. Asked again by the same run, it says the same.

    Args:
        model: declares the policy.
        trigger: what woke the run.
        reason: why, in words; it comes first among the decision's reasons.
        labelled: from `count_labelled` at the newest dataset version.
        champion: number of the version in production, None when there is none.
        journal: holds earlier decisions.
        now: aware.
        run: who asks.
        impossible: why what was asked for cannot be done; nobody overrules it.
        remarks: what else is to be written down.

    Raises:
        TransientError: the journal is away.
    """
    earlier = journal.decisions(model.name, DecisionKind.TRAINING)
    for decision in earlier:
        if _same_run(decision.run, run):  # a task that is tried again must not be held back by its own grant
            return decision
    granted = [decision for decision in earlier if decision.accepted]
    finished = _finished(journal.decisions(model.name, DecisionKind.GATES), granted)
    spent = int(finished[0].figures.get(LABELLED_ROWS, 0)) if finished else 0
    fresh = max(labelled.rows - spent, 0)
    checks = (
        _history(model, labelled),
        _Check(None) if champion is None else _cooldown(model, granted, finished, now),
        _fresh_rows(model, trigger, fresh),
        _budget(model, granted, now),
        *(_Check(reason, overruled_by_hand=False) for reason in (*labelled.faults, *impossible)),
    )
    refusals = [check.refusal for check in checks if check.refusal and not _overruled(check, trigger)]
    # told only where nothing is left that refuses, so that each of them was overruled
    overruled = [f"overruled by hand: {check.refusal}" for check in checks if check.refusal]
    figures = {
        LABELLED_ROWS: float(labelled.rows),
        "fresh_labelled_rows": float(fresh),
        "rows_before_backtest": float(labelled.before_backtest),
        "granted_last_week": float(_within(granted, now)),
    }
    told = (reason or f"woken by {trigger}", *(refusals or [*overruled, *remarks]))
    decision = Decision(model.name, DecisionKind.TRAINING, not refusals, told, now, run, trigger, figures)
    journal.record_decision(decision)
    return decision


def _history(model: Model, labelled: LabelledCount) -> _Check:
    backtest = model.train.backtest
    if labelled.before_backtest >= backtest.min_train_rows:
        return _Check(None)
    return _Check(
        f"too little history: {labelled.before_backtest} labelled rows lie before the backtest of {backtest.folds} x "
        f"{format_duration(backtest.fold)} ({labelled.rows} in all), wanted {backtest.min_train_rows} "
        "(train.backtest.min_train_rows)",
        overruled_by_hand=False,
    )


def _finished(judged: list[Decision], granted: list[Decision]) -> list[Decision]:
    """The trainings that count: all that were judged, but for experiments by hand that were refused."""
    by_hand = [decision.run for decision in granted if decision.subject == "manual"]
    return [one for one in judged if one.accepted or not any(_same_run(one.run, run) for run in by_hand)]


def _cooldown(model: Model, granted: list[Decision], finished: list[Decision], now: datetime) -> _Check:
    for last in granted:  # newest first
        ended = any(_same_run(one.run, last.run) for one in finished)
        if last.subject == "manual" and not ended:
            continue
        if ended:
            until = last.decided_at + model.train.policy.cooldown
            why = f"cooldown of {format_duration(model.train.policy.cooldown)} (train.policy.cooldown)"
        else:
            until = last.decided_at + min(GRACE, model.train.policy.cooldown)
            why = "a training that was granted has not finished yet; it is given up"
        if now < until:
            return _Check(
                f"{why} until {until:%Y-%m-%d %H:%M:%S} UTC: the last training was granted "
                f"{last.decided_at:%Y-%m-%d %H:%M:%S} UTC to {last.run.dag_id} {last.run.run_id}"
            )
    return _Check(None)


def _fresh_rows(model: Model, trigger: Trigger, fresh: int) -> _Check:
    if trigger == "change":  # the same rows give another model
        return _Check(None)
    policy = model.train.policy
    asked = trigger == "retrain_request"
    wanted = policy.min_fresh_labelled_rows if asked else policy.min_new_labelled_rows
    if fresh >= wanted:
        return _Check(None)
    name = "min_fresh_labelled_rows" if asked else "min_new_labelled_rows"
    return _Check(f"{fresh} labelled rows are new since the last training, wanted {wanted} (train.policy.{name})")


def _budget(model: Model, granted: list[Decision], now: datetime) -> _Check:
    used, limit = _within(granted, now), model.train.policy.max_runs_per_week
    if used < limit:
        return _Check(None)
    freed = granted[limit - 1].decided_at + WEEK
    return _Check(
        f"{used} trainings were granted within 7 days, the limit is {limit} (train.policy.max_runs_per_week) "
        f"until {freed:%Y-%m-%d %H:%M:%S} UTC"
    )


def _within(granted: list[Decision], now: datetime) -> int:
    return sum(decision.decided_at > now - WEEK for decision in granted)


def _overruled(check: _Check, trigger: Trigger) -> bool:
    return trigger == "manual" and check.overruled_by_hand


def _same_run(one: RunRef, other: RunRef) -> bool:
    return (one.dag_id, one.run_id) == (other.dag_id, other.run_id)
