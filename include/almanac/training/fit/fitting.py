"""Fits a pipeline on some of the labelled rows, and predicts others with it."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError, DataError
from almanac.programs.contract import PreviousVersion
from almanac.programs.workbench import Workbench, require_bench
from almanac.statistics.tasks import task_of
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.folds import last_part
from almanac.training.fit.boosting import fit_until_no_better
from almanac.training.fit.candidates import build_pipeline, members_of
from almanac.training.fit.checkpoints import Checkpointing
from almanac.training.fit.learning import Curve, fit_by_epochs
from almanac.training.fit.program_fit import ProgramFiles, fit_program

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline

    from almanac.training.fit.learning import Rows


def fit(
    model: Model,
    name: str,
    overrides: Mapping[str, Scalar] | None,
    rows: LabelledRows,
    chosen: "NDArray[np.intp]",
    bench: Workbench | None = None,
) -> "Pipeline":
    """Fit a declared candidate on the rows with these numbers.

    Of several classes some may be missing from a fold's rows: `predict` gives them the probability 0.

    Args:
        model: declares the candidate.
        name: of the candidate.
        overrides: parameters that replace the declared ones.
        rows: all labelled rows.
        chosen: the numbers of the training rows.
        bench: where programs work; None: there is none.

    Raises:
        ConfigError: the estimator refuses its parameters, or the program fails.
        DataError: the rows have one label only.
        TransientError: the program says that another try may succeed.
    """
    if name in model.train.programs:
        _check_labels(model, rows, chosen)
        return fit_program(model, name, overrides, rows, chosen, require_bench(bench, model.name)).pipeline
    return fit_watched(model, name, overrides, rows, chosen)[0]


def fit_last(
    model: Model,
    name: str,
    params: Mapping[str, Scalar],
    rows: LabelledRows,
    chosen: "NDArray[np.intp]",
    checkpoints: Checkpointing | None = None,
    bench: Workbench | None = None,
    previous: PreviousVersion | None = None,
) -> tuple["Pipeline", Curve | None, ProgramFiles | None]:
    """The fit that is kept: `fit_watched` of an estimator; of a program also the files that it left.

    A program goes on from the version `previous`, where there is one.
    """
    if name not in model.train.programs:
        return *fit_watched(model, name, params, rows, chosen, checkpoints), None
    _check_labels(model, rows, chosen)
    own = require_bench(bench, model.name)
    made = fit_program(model, name, params, rows, chosen, own, is_last=True, previous=previous)
    return made.pipeline, made.curve, made.files


def fit_watched(
    model: Model,
    name: str,
    overrides: Mapping[str, Scalar] | None,
    rows: LabelledRows,
    chosen: "NDArray[np.intp]",
    checkpoints: Checkpointing | None = None,
) -> tuple["Pipeline", Curve | None]:
    """`fit`, with the learning curve; None when the candidate is not fitted in epochs.

    Checkpoints that the candidate declares go into the folder that `checkpoints` gives.
    """
    labels = _check_labels(model, rows, chosen)
    pipeline, candidate = build_pipeline(model, name, overrides), model.train.candidates[name]
    learning = candidate.learning
    try:
        if candidate.early_stopping is not None:
            stopping = candidate.early_stopping
            return pipeline, fit_until_no_better(pipeline, stopping, *_parted(model, stopping.validation, rows, chosen))
        if learning is None:
            return pipeline.fit(rows.values[chosen], labels.astype(task_of(model.label).fitted)), None
        teaching, measuring = _parted(model, learning.validation, rows, chosen)
        declared = learning.checkpoints
        folder = checkpoints(declared) if checkpoints is not None and declared is not None else None
        return pipeline, fit_by_epochs(pipeline, learning, teaching, measuring, folder)
    except _errors_of_libraries() as error:
        raise ConfigError(f"{model.name}: candidate {name} cannot be fitted: {error}") from error


def _check_labels(model: Model, rows: LabelledRows, chosen: "NDArray[np.intp]") -> "NDArray[Any]":
    import numpy as np

    labels: NDArray[Any] = rows.labels[chosen]
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"{model.name}: all {len(labels)} training rows until {rows.times[chosen][-1:]} have one label; expected "
            "both. Land more history, or lengthen train.window"
        )
    return labels


def _errors_of_libraries() -> tuple[type[Exception], ...]:
    """What estimators raise on parameters or rows that they refuse; a library that was not used is not imported."""
    lightgbm = sys.modules.get("lightgbm")
    return (ValueError,) if lightgbm is None else (ValueError, lightgbm.basic.LightGBMError)


def _parted(model: Model, validation: float, rows: LabelledRows, chosen: "NDArray[np.intp]") -> tuple["Rows", "Rows"]:
    """The older rows for training and the newest for validation; no training label lies within the validation rows.

    Without a time no group stands on both sides.

    Raises:
        DataError: no row of one label is left for training.
    """
    import numpy as np

    measuring = last_part(chosen, rows.groups, validation)
    if rows.groups is None:
        before = rows.times[measuring[0]] - np.timedelta64(model.label.known_after)
        teaching = chosen[rows.times[chosen] <= before]
    else:
        teaching = np.setdiff1d(chosen, measuring)
    if not len(measuring):
        raise DataError(f"{model.name}: no row is left for validation; land more rows, or raise `validation`")
    if len(np.unique(rows.labels[teaching])) < 2:
        raise DataError(
            f"{model.name}: {len(teaching)} rows lie before the validation rows, with one label; expected both. Land"
            " more history, or lower `validation`"
        )

    def part(numbers: "NDArray[np.intp]") -> "Rows":
        return rows.values[numbers], rows.labels[numbers].astype(task_of(model.label).fitted)

    return part(teaching), part(measuring)


def predict(pipeline: "Pipeline", values: "NDArray[np.float32]", *, classes: int = 0) -> "NDArray[np.float64]":
    """The probability of the label 1, or the number, [n]; or the probability of each class, [n, classes].

    Args:
        pipeline: fitted.
        values: float32 [n, k].
        classes: the number of classes; 0: the label is yes or no, or a number.
    """
    import numpy as np
    from sklearn.base import is_regressor

    estimator = pipeline[-1]
    # A forest's threads add up votes in any order, and sums of floats depend on the order: one thread gives the same
    # figures to the last digit each time.
    threaded = [(one, one.n_jobs) for one in _all_of(estimator) if getattr(one, "n_jobs", None) is not None]
    for one, _ in threaded:
        one.n_jobs = 1
    try:
        found = pipeline.predict(values) if is_regressor(estimator) else pipeline.predict_proba(values)
    finally:
        for one, jobs in threaded:
            one.n_jobs = jobs
    if classes:
        predictions = np.zeros((len(values), classes))
        predictions[:, estimator.classes_] = found  # the rows of a fold may lack a class
        return predictions
    of_one: NDArray[np.float64] = (found if found.ndim == 1 else found[:, 1]).astype(np.float64)
    return of_one


def _all_of(estimator: Any) -> "list[Any]":
    """The estimator, and those that it is made of."""
    return [estimator, *(member[-1] for member in members_of(estimator))]
