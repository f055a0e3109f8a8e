"""Parameter search of a candidate, on the folds before the hold-out.

Combinations and draws are scikit-learn's (`ParameterGrid`, `ParameterSampler`). Its `SearchCV` classes are not used:
they average over folds, sample the rows of a halving at random instead of by time, and cannot be stopped. Halving:
Jamieson and Talwalkar (2016), "Non-stochastic best arm identification and hyperparameter optimization", with history
as the resource.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from almanac.config.grammar.metric import Metric
from almanac.config.schema import Model
from almanac.config.sections.search import Range, Scalar, Search, Stop
from almanac.errors import ConfigError, DataError
from almanac.statistics import metrics
from almanac.training.fit.bayesian import load_optuna, propose
from almanac.training.fit.trial import Trial

FACTOR = 3
DRAWN_FIRST = 10  # of a bayesian search, before it learns from its trials: Optuna's own number
Attempt = Callable[[Mapping[str, Scalar], float], float]
Clock = Callable[[], float]


def proposals(model: Model, name: str, overrides: Mapping[str, Scalar] | None) -> list[dict[str, Scalar]]:
    """The parameters that a candidate's search tries, in order; one empty proposal when there is nothing to search.

    A parameter that a person gave by hand is not searched. Of a bayesian search these are the first ones, which are
    drawn; `run_trials` goes on from there.

    Raises:
        ConfigError: the search needs a package that is not installed.
    """
    from sklearn.model_selection import ParameterGrid, ParameterSampler

    search = model.train.candidates[name].search
    space = {key: values for key, values in search.space.items() if key not in (overrides or {})} if search else {}
    if search is None or not space:
        return [{}]
    lists = {key: list(values) for key, values in space.items() if not isinstance(values, Range)}
    if search.kind == "grid":
        return [dict(each) for each in ParameterGrid(lists)]
    # without a range, combinations are limited
    most = len(ParameterGrid(lists)) if len(lists) == len(space) else search.trials
    if search.kind == "bayesian":
        load_optuna()  # who lacks it is told before the first trial, not after ten
        most = min(most or 0, DRAWN_FIRST)
    drawn = ParameterSampler(
        {key: _Draw(values) if isinstance(values, Range) else list(values) for key, values in space.items()},
        n_iter=min(search.trials or 0, most or 0),
        random_state=model.train.seed,
    )
    return [dict(each) for each in drawn]


def run_trials(
    model: Model,
    name: str,
    proposed: Sequence[Mapping[str, Scalar]],
    attempt: Attempt,
    *,
    before: Sequence[Trial] = (),
    clock: Clock = time.monotonic,
    deadline: float | None = None,
) -> list[Trial]:
    """Try proposals one after the other, until there are no more or the search's `stop` ends it.

    Args:
        model: declares the search and the metric.
        name: of the candidate.
        proposed: the parameters to try.
        attempt: measures a proposal on a share of the history.
        before: earlier trials; they count for `stop`.
        clock: in seconds, monotonic.
        deadline: on that clock; replaces `stop.time`.

    Raises:
        ConfigError: no trial could be fitted.
    """
    search = model.train.candidates[name].search
    if search is not None and search.kind == "halving" and len(proposed) > 1:
        return _halve(model, name, proposed, attempt, clock)
    stop = search.stop if search is not None else Stop()
    if deadline is None and stop.time is not None:
        deadline = clock() + stop.time.total_seconds()
    trials = list(before)
    for found in _each(model, search, proposed, trials):
        if _reached(stop, trials, model.train.metric) or (trials and deadline is not None and clock() >= deadline):
            break
        trials.append(_try(name, found, 1.0, attempt, clock))
    return trials


def best_trial(model: Model, name: str, trials: Sequence[Trial]) -> Trial:
    """The best of a candidate's trials on the whole history; ties go to the first.

    Raises:
        ConfigError: none could be fitted.
    """
    whole = [each for each in trials if each.candidate == name and each.score is not None and each.share == 1.0]
    if not whole:
        problems = {each.fault for each in trials if each.candidate == name and each.fault}
        raise ConfigError(
            "; ".join(sorted(problems))
            or f"{model.name}: candidate {name}: got no trial on the whole history, expected one. Train again"
        )
    return max(whole, key=lambda each: _rank(model.train.metric, each))


def _each(
    model: Model, search: Search | None, proposed: Sequence[Mapping[str, Scalar]], trials: Sequence[Trial]
) -> Iterator[Mapping[str, Scalar]]:
    """The proposals; of a bayesian search then what its trials so far suggest, up to the declared number."""
    yield from proposed
    space = {key: search.space[key] for key in proposed[0]} if search is not None and search.kind == "bayesian" else {}
    while search is not None and space and len(trials) < (search.trials or 0):
        found = propose(space, trials, model.train.metric, model.train.seed)
        if found is None:
            return
        yield found


def _halve(
    model: Model, name: str, proposed: Sequence[Mapping[str, Scalar]], attempt: Attempt, clock: Clock
) -> list[Trial]:
    """All on a short history, the best third of them on three times as much, and so on, up to one on all of it."""
    search: Search | None = model.train.candidates[name].search
    stop, started = search.stop if search else Stop(), clock()
    number = 0
    while len(proposed) >= FACTOR ** (number + 1):
        number += 1
    trials: list[Trial] = []
    left = list(proposed)
    while True:
        made = [_try(name, found, 1 / FACTOR**number, attempt, clock) for found in left]
        trials += made
        if number == 0:
            return trials
        made = sorted(made, key=lambda each: _rank(model.train.metric, each), reverse=True)
        late = stop.time is not None and clock() - started >= stop.time.total_seconds()
        left = [each.found for each in made[: 1 if late else max(len(left) // FACTOR, 1)]]
        number = 0 if late else number - 1  # only trials on the whole history are compared


def _try(name: str, found: Mapping[str, Scalar], share: float, attempt: Attempt, clock: Clock) -> Trial:
    began = clock()
    score, problem = None, ""
    try:
        score = attempt(found, share)
    except ConfigError as error:  # a combination that the estimator refuses does not end the search
        problem = str(error)
    except DataError as error:
        if share == 1.0:
            raise
        problem = str(error)  # a short history can have one label only, which says nothing about the proposal
    return Trial(name, dict(found), score, round(clock() - began, 3), share, problem)


def _reached(stop: Stop, trials: Sequence[Trial], metric: Metric) -> bool:
    ranks = [_rank(metric, each) for each in trials]
    if not ranks:
        return False
    if stop.reached is not None and max(ranks) >= metrics.gain(metric, stop.reached, 0.0):
        return True
    return stop.no_gain_in is not None and len(ranks) - 1 - ranks.index(max(ranks)) >= stop.no_gain_in


def _rank(metric: Metric, trial: Trial) -> float:
    return -float("inf") if trial.score is None else metrics.gain(metric, trial.score, 0.0)


@dataclass(frozen=True)
class _Draw:
    """A range that `ParameterSampler` can sample."""

    range: Range

    def rvs(self, random_state: Any) -> int | float:
        from scipy.stats import loguniform, uniform

        low, high, whole = self.range.low, self.range.high, isinstance(self.range.low, int)
        whole = whole and isinstance(self.range.high, int)
        if whole and not self.range.log:
            return int(random_state.randint(low, int(high) + 1))
        shape = loguniform(low, high) if self.range.log else uniform(low, high - low)
        drawn = float(shape.rvs(random_state=random_state))
        return round(drawn) if whole else drawn
