"""Splits a long search into batches of trials, one Airflow task each.

A task costs more than a second, so a batch holds trials for about `BATCH_S`; a shorter search runs within the task that
trains. A batch names dataset version and time, so that all batches and the training use the same rows.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.search import BATCH_S, Scalar
from almanac.data.table.model_rows import ModelRows
from almanac.programs.workbench import Workbench, open_bench
from almanac.training.fit.candidates import choose_candidates
from almanac.training.fit.search import run_trials
from almanac.training.fit.selection import ModelSelection
from almanac.training.fit.trial import Trial
from almanac.training.train import Progress, prepare, training_columns
from almanac.training.training_run import Searched


@dataclass(frozen=True)
class Batch:
    """Trials for one task.

    Attributes:
        dataset_version: the Delta version to read.
        joined: the Delta versions of joined datasets, by their models.
        now: labels that become true after it are not known; ISO 8601.
        candidate: the candidate whose parameters are searched.
        todo: the parameters to try.
        done: trials from the planning of the search; they count for this batch.
        deadline: no trial starts after it, in seconds since 1970; None: there is none.
    """

    dataset_version: int
    joined: Mapping[str, int]
    now: str
    candidate: str
    todo: tuple[Mapping[str, Scalar], ...]
    done: tuple[Trial, ...] = ()
    deadline: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as an XCom holds them."""
        return {
            **asdict(self),
            "todo": [dict(each) for each in self.todo],
            "done": [each.to_dict() for each in self.done],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Batch":
        """The reverse of `to_dict`."""
        done = tuple(Trial(**each) for each in values["done"])
        return cls(**{**values, "todo": tuple(values["todo"]), "done": done})


def plan_search(
    model: Model,
    home: Home,
    *,
    now: datetime,
    candidates: Sequence[str] | None,
    overrides: Mapping[str, Scalar] | None,
    on_progress: Progress,
) -> list[Batch]:
    """The batches of all searches that need more than one; empty: the training task runs the searches itself.

    Where `trial_cost` is not declared, the first trial is run and timed.

    Raises:
        ConfigError: a candidate or a parameter is unknown.
        DataError: there is no dataset, or too few labelled rows.
        TransientError: a store is not available.
    """
    began, rows = time.time(), ModelRows.newest(home, model)
    with open_bench(model, home, on_progress) as bench:
        selection = open_selection(rows, now, overrides, on_progress, bench)
        return _plan(model, rows, selection, began, now, candidates, on_progress)


def _plan(
    model: Model,
    rows: ModelRows,
    selection: ModelSelection,
    began: float,
    now: datetime,
    candidates: Sequence[str] | None,
    on_progress: Progress,
) -> list[Batch]:
    batches: list[Batch] = []
    for name in choose_candidates(model, candidates):
        search, proposed = model.train.candidates[name].search, selection.propose(name)
        if search is None or search.waits or len(proposed) < 2:
            continue
        done: list[Trial] = []
        cost = search.trial_cost.total_seconds() if search.trial_cost else None
        if cost is None:
            done = run_trials(model, name, proposed[:1], selection.attempt_of(name))
            cost = done[0].seconds
        size = max(int(BATCH_S // max(cost, 0.001)), 1)
        on_progress(f"{name}: {len(proposed)} trials of {cost:.1f} s, {size} of them in a task")
        if size >= len(proposed):
            continue
        deadline = None if search.stop.time is None else began + search.stop.time.total_seconds()
        left = proposed[len(done) :]
        batches += [
            Batch(
                rows.version,
                rows.joined,
                now.isoformat(),
                name,
                tuple(left[at : at + size]),
                () if at else tuple(done),
                deadline,
            )
            for at in range(0, len(left), size)
        ]
    return batches


def run_batch(
    model: Model, home: Home, batch: Batch, *, overrides: Mapping[str, Scalar] | None, on_progress: Progress
) -> list[Trial]:
    """Run the trials of one batch.

    Raises:
        ConfigError: a parameter is unknown.
        DataError: the metric is not defined on the rows.
        TransientError: a store is not available.
    """
    now, name = datetime.fromisoformat(batch.now), batch.candidate
    rows = ModelRows(model, home, batch.dataset_version, batch.joined)
    with open_bench(model, home, on_progress) as bench:
        selection = open_selection(rows, now, overrides, on_progress, bench)
        return run_trials(
            model,
            name,
            batch.todo,
            selection.attempt_of(name),
            before=batch.done,
            clock=time.time,
            deadline=batch.deadline,
        )


def searched_in(results: Sequence[Mapping[str, Any]]) -> Searched | None:
    """The trials of all batches; None: there was no batch."""
    if not results:
        return None
    trials = tuple(Trial(**each) for result in results for each in result["trials"])
    first = results[0]
    return Searched(int(first["dataset_version"]), first["joined"], datetime.fromisoformat(first["now"]), trials)


def open_selection(
    of: ModelRows,
    now: datetime,
    overrides: Mapping[str, Scalar] | None,
    on_progress: Progress,
    bench: Workbench | None = None,
) -> ModelSelection:
    """Model selection on the folds before the hold-out of one dataset version."""
    rows, folds = prepare(of.model, of.read(columns=training_columns(of.model)), now=now)
    return ModelSelection(of.model, rows, folds[:-1], overrides, on_progress, bench)
