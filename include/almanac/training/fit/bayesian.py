"""What a bayesian search tries next: Optuna's sampler by tree-structured Parzen estimators.

Bergstra, Bardenet, Bengio and Kegl (2011), "Algorithms for hyper-parameter optimization". The proposal is a function of
the trials so far and the seed alone, so that the same training proposes the same again, and nothing is kept between
trials.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from almanac.config.grammar.metric import Metric
from almanac.config.sections.search import Range, Scalar
from almanac.extras import extra
from almanac.statistics import metrics
from almanac.training.fit.trial import Trial

ASKED = 20  # so often is the sampler asked for parameters that were not tried yet


def propose(
    space: Mapping[str, tuple[Scalar, ...] | Range], trials: Sequence[Trial], metric: Metric, seed: int
) -> dict[str, Scalar] | None:
    """The next parameters of a candidate to try; None: the sampler knows none that were not tried.

    Args:
        space: what is searched: for each parameter its values, or a range.
        trials: those so far, of this candidate. One that could not be fitted counts as tried and says nothing else.
        metric: what its scores are; the sampler looks for the highest gain.
        seed: two calls with the same seed and trials give the same.

    Raises:
        ConfigError: Optuna is not installed.
    """
    optuna = load_optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # each trial is logged by the search itself
    shapes = {name: _distribution(values) for name, values in space.items()}
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed + len(trials), n_startup_trials=1)
    )
    for trial in trials:
        if trial.score is not None:
            study.add_trial(
                optuna.trial.create_trial(
                    params=dict(trial.found), distributions=shapes, value=metrics.gain(metric, trial.score, 0.0)
                )
            )
    tried = [dict(trial.found) for trial in trials]
    for _ in range(ASKED):
        found: dict[str, Scalar] = dict(study.ask(shapes).params)
        if found not in tried:
            return found
    return None


def load_optuna() -> Any:
    """Optuna.

    Raises:
        ConfigError: it is not installed.
    """
    with extra("bayesian", "a bayesian search"):
        import optuna
    return optuna


def _distribution(values: tuple[Scalar, ...] | Range) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)
