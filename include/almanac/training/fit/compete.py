"""Lets the declared candidates compete on the folds before the hold-out, each with the best parameters found for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.threshold import parse_threshold
from almanac.config.schema import Model
from almanac.config.sections.search import Scalar
from almanac.statistics import metrics
from almanac.training.backtest.backtest import Fold, LabelledRows
from almanac.training.fit.candidates import effective_params
from almanac.training.fit.fitting import fit, foretell
from almanac.training.fit.search import Attempt, Trial, best_trial, proposals, run_trials
from almanac.training.fit.threshold import choose_threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Winner:
    """The candidate that was best on the folds before the hold-out.

    Attributes:
        name: its name.
        overrides: what lies over its declared parameters: found by the search, or given by hand.
        foretold: its probabilities for each of these folds.
        threshold: from which probability on it says yes, chosen on these folds.
        scores: the best of each candidate, by name.
        trials: all that was tried, of all candidates.
    """

    name: str
    overrides: Mapping[str, Scalar]
    foretold: Sequence["NDArray[np.float64]"]
    threshold: float
    scores: Mapping[str, float]
    trials: tuple[Trial, ...]


class Arena:
    """Measures candidates on some folds, and remembers what the best one foretold.

    Args:
        model: declares the candidates and the metric.
        rows: all labelled rows.
        folds: those before the hold-out, which no choice may look at.
        overrides: parameters by hand, for every candidate.
        tell: told what was done, in words.
    """

    def __init__(
        self,
        model: Model,
        rows: LabelledRows,
        folds: Sequence[Fold],
        overrides: Mapping[str, Scalar] | None,
        tell: Callable[[str], None],
    ) -> None:
        import numpy as np

        self.model, self.rows, self.folds = model, rows, folds
        self._overrides, self._tell = dict(overrides or {}), tell
        self._truth = np.concatenate([rows.labels[fold.test] for fold in folds])
        self._best: tuple[float, str, dict[str, Scalar], list[NDArray[np.float64]]] | None = None

    def propose(self, name: str) -> list[dict[str, Scalar]]:
        """What will be tried of a candidate.

        Raises:
            ConfigError: its estimator does not know a parameter.
        """
        proposed = proposals(self.model, name, self._overrides)
        effective_params(self.model, name, {**proposed[0], **self._overrides})
        return proposed

    def attempt(self, name: str, found: Mapping[str, Scalar], share: float = 1.0) -> float:
        """The score of a candidate with these parameters on all folds together, by `train.metric`.

        Raises:
            ConfigError: the estimator refuses them.
            DataError: the training rows have one label only, or the metric is not defined.
        """
        import numpy as np

        foretold = []
        for fold in self.folds:
            newest = fold.train[-max(int(len(fold.train) * share), 1) :]
            pipeline = fit(self.model, name, {**found, **self._overrides}, self.rows, newest)
            foretold.append(foretell(pipeline, self.rows.values[fold.test]))
            self._tell(f"{name}: fold {fold.number + 1} of {len(self.folds) + 1}, {len(newest)} rows")
        metric, threshold = self.model.train.metric, self.threshold(foretold)
        score = metrics.measure(metric, self._truth, np.concatenate(foretold), threshold=threshold)
        rank = metrics.gain(self.model.train.metric, score, 0.0)
        if share == 1.0 and (self._best is None or rank > self._best[0]):
            self._best = (rank, name, dict(found), foretold)
        return score

    def compete(self, names: Sequence[str], searched: Sequence[Trial] = ()) -> Winner:
        """Try what has not been tried yet, and take the best; ties go to the first.

        Args:
            names: the candidates.
            searched: trials of their searches that were made elsewhere; what was searched is not searched again.

        Raises:
            ConfigError: a candidate cannot be fitted at all.
            DataError: the training rows have one label only, or the metric is not defined.
        """
        trials = list(searched)
        for name in names:
            if not any(trial.candidate == name for trial in trials):
                trials += run_trials(self.model, name, self.propose(name), self.attempt_of(name))
        best = {name: best_trial(self.model, name, trials) for name in names}
        scores = {name: trial.score for name, trial in best.items() if trial.score is not None}
        winner = best[max(scores, key=lambda name: metrics.gain(self.model.train.metric, scores[name], 0.0))]
        foretold = self._foretold(winner)
        return Winner(
            name=winner.candidate,
            overrides={**winner.found, **self._overrides},
            foretold=foretold,
            threshold=self.threshold(foretold),
            scores=scores,
            trials=tuple(trials),
        )

    def threshold(self, foretold: Sequence["NDArray[np.float64]"]) -> float:
        """From which probability on it is a yes, by `train.threshold` on all folds together.

        Raises:
            DataError: no threshold keeps what is asked for.
        """
        import numpy as np

        if self.model.label.is_number:
            return metrics.THRESHOLD  # nobody asks for it
        return choose_threshold(parse_threshold(self.model.train.threshold), self._truth, np.concatenate(foretold))

    def attempt_of(self, name: str) -> Attempt:
        """`attempt` for one candidate."""
        return lambda found, share: self.attempt(name, found, share)

    def _foretold(self, winner: Trial) -> Sequence["NDArray[np.float64]"]:
        """What the winner foretold; tried once more when that was in another task."""
        if self._best is None or self._best[1:3] != (winner.candidate, dict(winner.found)):
            self._best = None
            self.attempt(winner.candidate, winner.found)
        assert self._best is not None  # noqa: S101 - set by attempt
        return self._best[3]
