"""Model selection: the best of the declared candidates on the folds before the hold-out, with its best parameters."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from almanac.config.grammar.threshold import parse_threshold
from almanac.config.schema import Model
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError
from almanac.programs.workbench import Workbench
from almanac.statistics import metrics
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.folds import Fold, last_part
from almanac.training.fit.candidates import effective_params
from almanac.training.fit.fitting import fit, predict
from almanac.training.fit.search import Attempt, best_trial, proposals, run_trials
from almanac.training.fit.threshold import choose_threshold
from almanac.training.fit.trial import Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class CandidateSelection:
    """The candidate that is fitted for the hold-out, and how it was chosen on the folds before it.

    Attributes:
        name: its name.
        params: the parameters of its estimator that are set: declared, found by a search, or given by hand.
        threshold: the probability from which on the label is 1, chosen on these folds.
        predictions: its predictions, [n] for each of these folds; empty for a continued champion, which was trained on
            them.
        scores: the best `train.metric` of each candidate on these folds, by name.
        trials: all trials of all candidates.
        failed: candidates that could not be fitted, and why: the others competed without them.
    """

    name: str
    params: Mapping[str, Scalar]
    threshold: float = metrics.THRESHOLD
    predictions: Sequence["NDArray[np.float64]"] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)


class ModelSelection:
    """Measures candidates on the folds before the hold-out, and keeps the predictions of the best one.

    Args:
        model: declares the candidates and the metric.
        rows: all labelled rows.
        folds: those before the hold-out, which no choice may look at.
        overrides: parameters given by hand, for every candidate.
        on_progress: called with a line about each step.
        bench: where programs work; None: there is none.
    """

    def __init__(
        self,
        model: Model,
        rows: LabelledRows,
        folds: Sequence[Fold],
        overrides: Mapping[str, Scalar] | None,
        on_progress: Callable[[str], None],
        bench: Workbench | None = None,
    ) -> None:
        import numpy as np

        self.model, self.rows, self.folds = model, rows, folds
        self._bench, self._overrides, self._on_progress = bench, dict(overrides or {}), on_progress
        self._truth = np.concatenate([rows.labels[fold.test] for fold in folds])
        self._best: tuple[float, str, dict[str, Scalar], list[NDArray[np.float64]]] | None = None

    def propose(self, name: str) -> list[dict[str, Scalar]]:
        """The parameters of a candidate that are to be tried.

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

        predictions = []
        for fold in self.folds:
            newest = fold.train if share == 1.0 else last_part(fold.train, self.rows.groups, share)
            pipeline = fit(self.model, name, {**found, **self._overrides}, self.rows, newest, self._bench)
            predictions.append(predict(pipeline, self.rows.values[fold.test], classes=self.model.label.class_count))
            self._on_progress(f"{name}: fold {fold.number + 1} of {len(self.folds) + 1}, {len(newest)} rows")
        metric, threshold = self.model.train.metric, self.threshold(predictions)
        score = metrics.measure(metric, self._truth, np.concatenate(predictions), threshold=threshold)
        rank = metrics.gain(self.model.train.metric, score, 0.0)
        if share == 1.0 and (self._best is None or rank > self._best[0]):
            self._best = (rank, name, dict(found), predictions)
        return score

    def select(
        self, names: Sequence[str], searched: Sequence[Trial] = (), failed: Mapping[str, str] | None = None
    ) -> CandidateSelection:
        """Try what has not been tried yet, and take the best; ties go to the first.

        A candidate that cannot be fitted does not compete; the others do.

        Args:
            names: the candidates.
            searched: trials of other tasks; a candidate with such trials is not searched again.
            failed: candidates that have failed otherwise, and why.

        Raises:
            ConfigError: no candidate can be fitted.
            DataError: the training rows have one label only, or the metric is not defined.
        """
        trials, reasons = list(searched), dict(failed or {})
        for name in (name for name in names if name not in reasons):
            if not any(trial.candidate == name for trial in trials):
                trials += run_trials(self.model, name, self.propose(name), self.attempt_of(name))
        best: dict[str, Trial] = {}
        for name in (name for name in names if name not in reasons):
            try:
                best[name] = best_trial(self.model, name, trials)
            except ConfigError as error:
                reasons[name] = str(error)
                self._on_progress(f"{name} does not compete: {error}")
        if not best:
            raise ConfigError("; ".join(dict.fromkeys(reasons.values())))
        scores = {name: trial.score for name, trial in best.items() if trial.score is not None}
        chosen = best[max(scores, key=lambda name: metrics.gain(self.model.train.metric, scores[name], 0.0))]
        predictions = self._predictions(chosen)
        return CandidateSelection(
            name=chosen.candidate,
            params=effective_params(self.model, chosen.candidate, {**chosen.found, **self._overrides}),
            threshold=self.threshold(predictions),
            predictions=predictions,
            scores=scores,
            trials=tuple(trials),
            failed=reasons,
        )

    def threshold(self, predictions: Sequence["NDArray[np.float64]"]) -> float:
        """The probability from which on the label is 1, by `train.threshold` on all folds together.

        Raises:
            DataError: no threshold keeps what is asked for.
        """
        import numpy as np

        if not self.model.label.kind.has_threshold:
            return metrics.THRESHOLD  # not used
        return choose_threshold(parse_threshold(self.model.train.threshold), self._truth, np.concatenate(predictions))

    def attempt_of(self, name: str) -> Attempt:
        """`attempt` for one candidate."""
        return lambda found, share: self.attempt(name, found, share)

    def _predictions(self, trial: Trial) -> Sequence["NDArray[np.float64]"]:
        """The predictions of a trial; it is repeated when another task made it."""
        if self._best is None or self._best[1:3] != (trial.candidate, dict(trial.found)):
            self._best = None
            self.attempt(trial.candidate, trial.found)
        assert self._best is not None  # noqa: S101 - set by attempt
        return self._best[3]
