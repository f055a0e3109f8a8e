"""Continues the champion instead of beginning again: its fitted pipeline learns the rows that it has not learnt yet.

What it has learnt ends at its `train_end`; the rows of its own hold-out judged it and taught it nothing. So the
continuation takes the rows after `train_end` whose labels were known before the new hold-out began, each once. What is
fitted before the estimator (medians, scales) stays as it is: the estimator's weights mean those numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.search import Scalar
from almanac.errors import ConfigError
from almanac.statistics.metrics import THRESHOLD
from almanac.training.backtest.backtest import Fold, LabelledRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class Parent:
    """The champion as its own files tell of it.

    Attributes:
        version: its number.
        declared: the model's declaration when it was trained; None when today's code cannot read it any more.
        candidate: the name of the declared candidate that it is.
        params: all parameters of its estimator that were set.
        train_start: the first and
        train_end: the last event time that it has learnt.
        pipeline: verified and fitted.
        threshold: from which probability on it says yes.
    """

    version: str
    declared: Model | None
    candidate: str
    params: Mapping[str, Scalar]
    train_start: datetime
    train_end: datetime
    pipeline: "Pipeline"
    threshold: float = THRESHOLD


def continuation_faults(model: Model, parent: Parent, holdout: Fold, times: "NDArray[np.datetime64]") -> list[str]:
    """Why the champion cannot be continued, in words; empty when it can.

    Args:
        model: as it is declared today.
        parent: the champion.
        holdout: the last fold of the backtest.
        times: datetime64[us] [n] of all labelled rows.
    """
    import numpy as np

    faults = _declaration_faults(model, parent)
    estimator, name = parent.pipeline[-1], type(parent.pipeline[-1]).__name__
    if not hasattr(estimator, "partial_fit"):
        faults.append(f"{name} of version {parent.version} cannot continue: it has no partial_fit")
    elif getattr(estimator, "early_stopping", False):
        faults.append(f"{name} of version {parent.version} cannot continue: early_stopping is set")
    if _numpy(parent.train_end) + np.timedelta64(model.label.known_after) > holdout.start:
        faults.append(
            f"version {parent.version} has learnt until {parent.train_end:%Y-%m-%d %H:%M} UTC, and so has seen rows of "
            f"the hold-out, which begins {holdout.start}: nothing could judge its continuation"
        )
    elif not len(new_rows(parent, holdout, times)):
        faults.append(
            f"no labelled row between {parent.train_end:%Y-%m-%d %H:%M} UTC, until when version {parent.version} has "
            f"learnt, and the hold-out, which begins {holdout.start}"
        )
    return faults


def new_rows(parent: Parent, holdout: Fold, times: "NDArray[np.datetime64]") -> "NDArray[np.intp]":
    """The numbers of the rows that the champion has not learnt and the continuation may."""
    return holdout.train[times[holdout.train] > _numpy(parent.train_end)]


def continue_champion(parent: Parent, rows: LabelledRows, chosen: "NDArray[np.intp]") -> "Pipeline":
    """A copy of the champion's pipeline whose estimator has learnt these rows too, in one pass.

    Raises:
        ConfigError: a class is new to the estimator, or it refuses.
    """
    import copy

    import numpy as np

    pipeline = copy.deepcopy(parent.pipeline)
    estimator, labels = pipeline[-1], rows.labels[chosen]
    if labels.dtype.kind != "f":  # ONNX has no operators on int8 labels
        labels = labels.astype(np.int64)
    known = getattr(estimator, "classes_", labels)  # a regressor has none
    unknown = sorted(set(labels.tolist()) - set(np.asarray(known).tolist()))
    if unknown:
        raise ConfigError(
            f"version {parent.version} cannot be continued: classes {unknown} are new to it, it knows "
            f"{list(estimator.classes_)}; train from scratch"
        )
    try:
        estimator.partial_fit(pipeline[:-1].transform(rows.values[chosen]), labels)
    except ValueError as error:
        raise ConfigError(f"version {parent.version} cannot be continued: {error}; train from scratch") from error
    return pipeline


def _declaration_faults(model: Model, parent: Parent) -> list[str]:
    then = parent.declared
    if then is None:
        return [f"the declaration of version {parent.version} cannot be read by today's code"]
    faults = []
    if then.label != model.label:
        faults.append(f"the label has changed since version {parent.version}")
    if then.features != model.features:
        faults.append(f"the features have changed since version {parent.version}")
    if then.joins != model.joins:
        faults.append(f"the joins have changed since version {parent.version}")
    used = {*(column for each in model.features for column in each.columns), model.label.column}
    changed = sorted(name for name in used if _kind(then, name) != _kind(model, name))
    if changed or then.dataset.step != model.dataset.step or then.dataset.key != model.dataset.key:
        faults.append(f"the dataset's schema has changed since version {parent.version}: {changed or 'key or step'}")
    candidate = model.train.candidates.get(parent.candidate)
    if candidate is None or candidate != then.train.candidates.get(parent.candidate):
        faults.append(f"candidate {parent.candidate} is declared otherwise since version {parent.version}")
    return faults


def _kind(model: Model, column: str) -> tuple[str, str] | None:
    declared = model.dataset.columns.get(column)
    return None if declared is None else (declared.type, declared.unit)


def _numpy(time: datetime) -> "np.datetime64":
    import numpy as np

    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")
