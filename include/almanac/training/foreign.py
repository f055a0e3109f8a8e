"""A pipeline that Almanac did not train becomes a candidate: exported, and measured as any other."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.schema import Model
from almanac.errors import ConfigError, DataError
from almanac.statistics.metrics import THRESHOLD
from almanac.training.fit.fitting import predict
from almanac.training.fit.selection import CandidateSelection
from almanac.training.train import CandidateBuilder, StepWatch, prepare
from almanac.training.trained import TrainedCandidate

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class ForeignPipeline:
    """A fitted pipeline, and what its author says of it.

    Attributes:
        pipeline: takes the model's features, float32 [n, k], in their order.
        trained_until: the last event time among the rows that it was fitted on.
        name: of the candidate.
        threshold: the probability from which on the label is 1.
    """

    pipeline: "Pipeline"
    trained_until: datetime
    name: str
    threshold: float = THRESHOLD


def measure_foreign(
    model: Model,
    frame: "pl.DataFrame",
    foreign: ForeignPipeline,
    *,
    now: datetime,
    on_progress: Callable[[str], None],
) -> TrainedCandidate:
    """Measure a fitted pipeline on the hold-out, and export it. It is not fitted again.

    Of the earlier folds nothing is known: the pipeline may have been fitted on them. So it is measured on the hold-out
    alone, as a continued champion is.

    Args:
        model: declares features, label and backtest.
        frame: rows of one dataset version, at least `training_columns`.
        foreign: the pipeline.
        now: labels that become true after it are not known yet.
        on_progress: called with a line about each step.

    Raises:
        ConfigError: it takes other features, gives no probabilities of two classes (or no numbers), or has no
            converter; or the rows have no time.
        DataError: too few labelled rows; or it was fitted on rows of the hold-out, or on none before it.
    """
    if model.dataset.is_arrival:
        raise ConfigError(
            f"{model.name}: {foreign.name} was fitted elsewhere, and without a time nothing says on which rows; got"
            " dataset.time: arrival, whose hold-out is drawn by hash. Train it here"
        )
    watch = StepWatch(on_progress)
    rows, folds = prepare(model, frame, now=now)
    watch.done("features", f"{len(rows)} labelled rows, {len(rows.names)} features")
    holdout = folds[-1]
    _check_features(model, foreign, rows.names)
    start, until = holdout.start.astype("datetime64[us]").item(), foreign.trained_until.astimezone(UTC)
    if until.replace(tzinfo=None) + model.label.known_after > start:
        raise DataError(
            f"{model.name}: {foreign.name} was fitted on rows until {until:%Y-%m-%d %H:%M} UTC, whose labels reach into"
            f" the hold-out, which begins {start:%Y-%m-%d %H:%M} UTC; so nothing is left to measure it on. Fit it on"
            " earlier rows"
        )
    times = rows.times[holdout.train]
    chosen = holdout.train[times <= _numpy(until)]
    if not len(chosen):
        raise DataError(
            f"{model.name}: no labelled row lies before {until:%Y-%m-%d %H:%M} UTC, where the fit of {foreign.name}"
            " ends. Check `trained_until`"
        )
    _check_unknown_values(model, foreign, len(rows.names))
    selection = CandidateSelection(foreign.name, {}, foreign.threshold)
    return CandidateBuilder(model, rows, folds, watch).build(selection, foreign.pipeline, chosen)


def _check_features(model: Model, foreign: ForeignPipeline, names: tuple[str, ...]) -> None:
    import numpy as np

    pipeline = foreign.pipeline
    given = getattr(pipeline, "feature_names_in_", None)
    width = getattr(pipeline, "n_features_in_", None)
    if given is not None and tuple(map(str, given)) != names:
        raise ConfigError(
            f"{model.name}: {foreign.name} takes the features {[str(one) for one in given]}, expected {list(names)}, in"
            " this order. Fit it on the declared features, or declare these"
        )
    if width != len(names):
        raise ConfigError(
            f"{model.name}: {foreign.name} takes {width} features, expected {len(names)}: {list(names)}. Fit it on the"
            " declared features"
        )
    classes = getattr(pipeline, "classes_", None)
    if model.label.kind is NUMBER:
        return
    count, several = model.label.class_count or 2, model.label.classes
    if classes is None or not np.array_equal(np.asarray(classes), np.arange(count)):
        wanted = f"0 and 1: whether {model.label.name} is true"
        if several is not None:
            wanted = f"0 to {count - 1}: the positions of {list(several)}"
        raise ConfigError(
            f"{model.name}: {foreign.name} has the classes {None if classes is None else list(classes)}, expected"
            f" {wanted}. Fit a classifier on such labels"
        )


def _check_unknown_values(model: Model, foreign: ForeignPipeline, width: int) -> None:
    import numpy as np

    try:
        predict(foreign.pipeline, np.full((1, width), np.nan, np.float32), classes=model.label.class_count)
    except ValueError as error:
        raise ConfigError(
            f"{model.name}: {foreign.name} cannot predict where features are unknown (NaN), as they may be in"
            f" production: {str(error).splitlines()[0]} Begin the pipeline with a SimpleImputer"
        ) from error


def _numpy(time: datetime) -> "np.datetime64":
    import numpy as np

    return np.datetime64(time.replace(tzinfo=None), "us")
