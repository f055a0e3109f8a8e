"""The training policy: whether a run may train. It is one policy for all triggers, and its state is in the journal.

A *granted* training is an accepted TRAINING decision. It is *finished* when the same run also has a GATES decision,
accepted or not: a training on the same rows would give the same result again.

- The cooldown counts from the last finished grant. A grant whose run died trained nothing, so it blocks others only
  for `GRACE`, while it may still be running.
- New rows count from the last finished training.
- The weekly budget counts all grants, so that a run that fails repeatedly cannot train without end.
- A change of the declaration or the code needs no new rows.
- A monthly budget counts all tasks of the model, whatever pipeline they belong to (`costs`).
- A person by hand overrules all four, and this is recorded. Nobody overrules a history too short for the backtest, or
  folds on which no candidate can be trained or measured.
- A training by hand that the gates refused starts no cooldown and uses up no rows: an experiment must not delay the
  monitor's requests.
- Without a champion there is no cooldown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.config.sections.costs import Prices
from almanac.costs.budget import spending_of
from almanac.features.labels import label_columns
from almanac.features.split_groups import group_columns, split_groups
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.training.backtest.backtest import in_order, known_labels
from almanac.training.backtest.folds import fold_problems, rows_before_backtest

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from almanac.features.split_groups import Hashes

Trigger = Literal["manual", "schedule", "new_data", "retrain_request", "change"]
GRACE = timedelta(hours=2)
WEEK = timedelta(days=7)
LABELLED_ROWS = "labelled_rows"
_JUDGED = 4  # verdicts that are read at first: nearly always the newest counts


@dataclass(frozen=True)
class LabelledCount:
    """The labelled rows of a dataset version.

    Attributes:
        rows: number of rows with a known label.
        before_backtest: number of training rows of the first fold.
        faults: why no candidate can be trained or measured on the folds; see `fold_problems`.
    """

    rows: int
    before_backtest: int
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Check:
    """One limit of the policy; `refusal`: why it refuses, None: it does not."""

    refusal: str | None
    overruled_by_hand: bool = True


def count_labelled(model: Model, frame: "pl.DataFrame", *, now: datetime) -> LabelledCount:
    """Count the rows that training can use; reads only `counting_columns`."""
    frame = in_order(model, frame)
    labels = known_labels(model, frame, now=now).drop_nulls().to_numpy()
    times, groups = label_times(model, frame, now=now)
    before = rows_before_backtest(model, times, groups)
    is_enough = before >= model.train.backtest.min_train_rows
    return LabelledCount(len(times), before, fold_problems(model, times, labels, groups) if is_enough else ())


def counting_columns(model: Model) -> tuple[str, ...]:
    """The columns of the dataset that say which rows have a label, and on which side of a split they stand."""
    return tuple(dict.fromkeys((*label_columns(model), *group_columns(model))))


def label_times(
    model: Model, frame: "pl.DataFrame", *, now: datetime
) -> "tuple[NDArray[np.datetime64], Hashes | None]":
    """Of the rows with a known label the event times, datetime64[us] [n], UTC, sorted, and whose rows they are."""
    frame = in_order(model, frame)
    known = frame.filter(known_labels(model, frame, now=now).is_not_null())
    times: NDArray[np.datetime64] = (
        known[model.dataset.time].dt.cast_time_unit("us").dt.replace_time_zone(None).to_numpy()
    )
    return times, split_groups(model, known)


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
    prices: Prices | None = None,
) -> Decision:
    """Decide, record the decision in the journal, and return it. A retry of the run gets the recorded decision.

    Args:
        model: declares the policy.
        trigger: what started the run.
        reason: why; the first of the decision's reasons.
        labelled: from `count_labelled` at the newest dataset version.
        champion: number of the version in production; None: there is none.
        journal: holds earlier decisions.
        now: aware.
        run: who asks.
        impossible: why the training is not possible; nobody overrules it.
        remarks: recorded with an accepted decision.
        prices: of the installation, for a model with a monthly budget.

    Raises:
        TransientError: the journal is not available.
    """
    for decision in journal.decisions(model.name, DecisionKind.TRAINING, run=run, limit=1):
        return decision  # a retry must not be blocked by its own grant
    trainings = _Trainings(journal, model.name)
    granted = trainings.granted(now - max(WEEK, GRACE, model.train.policy.cooldown))
    finished = trainings.last_finished()
    spent = int(finished.figures.get(LABELLED_ROWS, 0)) if finished else 0
    fresh = max(labelled.rows - spent, 0)
    spending = spending_of(model, prices, journal, now)
    checks = (
        _history(model, labelled),
        _Check(None) if champion is None else _cooldown(model, granted, trainings, now),
        _fresh_rows(model, trigger, fresh),
        _weekly(model, granted, now),
        _Check(str(spending) if spending and spending.is_over else None),
        *(_Check(reason, overruled_by_hand=False) for reason in (*labelled.faults, *impossible)),
    )
    refusals = [check.refusal for check in checks if check.refusal and not _overruled(check, trigger)]
    # used only when nothing refuses, so that each of them is overruled
    overruled = [f"overruled by hand: {check.refusal}" for check in checks if check.refusal]
    figures = {
        LABELLED_ROWS: float(labelled.rows),
        "fresh_labelled_rows": float(fresh),
        "rows_before_backtest": float(labelled.before_backtest),
        "granted_last_week": float(_within(granted, now)),
    }
    if spending is not None and spending.amount is not None:
        figures |= {"spent_this_month": spending.amount, "monthly_budget": spending.budget.monthly}
    reasons = (reason or f"triggered by {trigger}", *(refusals or [*overruled, *remarks]))
    decision = Decision(model.name, DecisionKind.TRAINING, not refusals, reasons, now, run, trigger, figures)
    journal.record_decision(decision)
    return decision


def _history(model: Model, labelled: LabelledCount) -> _Check:
    backtest = model.train.backtest
    if labelled.before_backtest >= backtest.min_train_rows:
        return _Check(None)
    part = f"{backtest.share:.0%} of the rows" if model.dataset.is_arrival else format_duration(backtest.fold)
    lie = "are left to train on by" if model.dataset.is_arrival else "lie before"
    return _Check(
        f"too little history: {labelled.before_backtest} labelled rows {lie} the backtest of {backtest.folds} x "
        f"{part} ({labelled.rows} in all), wanted {backtest.min_train_rows} (train.backtest.min_train_rows)",
        overruled_by_hand=False,
    )


@dataclass(frozen=True)
class _Trainings:
    """Earlier trainings. Only the newest are read, however many there are."""

    journal: Journal
    model: str

    def granted(self, since: datetime) -> list[Decision]:
        """The grants since a time, newest first: an older one is in no week and no cooldown."""
        return self.journal.decisions(self.model, DecisionKind.TRAINING, since=since, accepted=True)

    def last_finished(self) -> Decision | None:
        """The verdict on the last training that counts."""
        limit = _JUDGED
        while True:
            judged = self.journal.decisions(self.model, DecisionKind.GATES, limit=limit)
            found = next((one for one in judged if self._counts(one)), None)
            if found is not None or len(judged) < limit:
                return found
            limit *= 4

    def has_finished(self, granted: Decision) -> bool:
        """Whether the run of a grant has a verdict that counts."""
        judged = self.journal.decisions(self.model, DecisionKind.GATES, run=granted.run)
        return any(self._counts(one) for one in judged)

    def _counts(self, judged: Decision) -> bool:
        """All that were judged count, except refused ones by hand."""
        if judged.accepted:
            return True
        granted = self.journal.decisions(self.model, DecisionKind.TRAINING, run=judged.run, accepted=True)
        return all(one.subject != "manual" for one in granted)


def _cooldown(model: Model, granted: list[Decision], trainings: _Trainings, now: datetime) -> _Check:
    for last in granted:  # newest first
        ended = trainings.has_finished(last)
        if last.subject == "manual" and not ended:
            continue
        if ended:
            until = last.decided_at + model.train.policy.cooldown
            why = f"cooldown of {format_duration(model.train.policy.cooldown)} (train.policy.cooldown)"
        else:
            until = last.decided_at + min(GRACE, model.train.policy.cooldown)
            why = "a granted training has not finished; others wait for it"
        if now < until:
            return _Check(
                f"{why} until {until:%Y-%m-%d %H:%M:%S} UTC: the last training was granted "
                f"{last.decided_at:%Y-%m-%d %H:%M:%S} UTC to {last.run.dag_id} {last.run.run_id}"
            )
    return _Check(None)


def _fresh_rows(model: Model, trigger: Trigger, fresh: int) -> _Check:
    if trigger == "change":  # the same rows can give another model
        return _Check(None)
    policy = model.train.policy
    requested = trigger == "retrain_request"
    wanted = policy.min_fresh_labelled_rows if requested else policy.min_new_labelled_rows
    if fresh >= wanted:
        return _Check(None)
    name = "min_fresh_labelled_rows" if requested else "min_new_labelled_rows"
    return _Check(f"{fresh} labelled rows are new since the last training, wanted {wanted} (train.policy.{name})")


def _weekly(model: Model, granted: list[Decision], now: datetime) -> _Check:
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
