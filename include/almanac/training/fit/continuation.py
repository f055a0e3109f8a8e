"""Continues the champion instead of training from scratch: its fitted pipeline is trained on the rows since then.

Its training rows end at its `train_end`; it was measured on its own hold-out and not trained on it. So the continuation
takes the rows after `train_end` whose labels were known before the new hold-out began, each once. The steps before the
estimator (medians, scales) stay as they are, because the estimator's weights depend on them.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.errors import ConfigError
from almanac.programs.contract import PreviousVersion
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.folds import Fold, split_words
from almanac.training.fit.boosting import add_trees
from almanac.training.fit.selection import CandidateSelection

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True, eq=False)
class Parent:
    """The champion, as read from its own files.

    Attributes:
        version: its number.
        declared: the model's declaration at its training; None: it is not valid under today's schema.
        selection: which declared candidate it is, with parameters and threshold.
        train_start: the first event time among its training rows, UTC.
        train_end: the last event time among its training rows, UTC.
        pipeline: verified and fitted.
        previous: what its program left; None: it is of an estimator.
    """

    version: str
    declared: Model | None
    selection: CandidateSelection
    train_start: datetime
    train_end: datetime
    pipeline: "Pipeline"
    previous: PreviousVersion | None = None


def continuation_problems(model: Model, parent: Parent, holdout: Fold, times: "NDArray[np.datetime64]") -> list[str]:
    """The reasons why the champion cannot be continued; empty: it can be.

    Args:
        model: as it is declared today.
        parent: the champion.
        holdout: the last fold of the backtest.
        times: datetime64[us] [n] of all labelled rows.
    """
    import numpy as np

    problems = [*_declaration_problems(model, parent), *_fit_problems(model, parent)]
    if model.dataset.is_arrival:  # its hold-out is the same one for ever, so nothing but new rows is wanted
        if not len(new_rows(parent, holdout, times)):
            problems.append(
                f"beside the hold-out no labelled row has arrived since {parent.train_end:%Y-%m-%d %H:%M} UTC"
            )
    elif _numpy(parent.train_end) + np.timedelta64(model.label.known_after) > holdout.start:
        problems.append(
            f"version {parent.version} is trained on rows until {parent.train_end:%Y-%m-%d %H:%M} UTC, so the hold-out "
            f"from {holdout.start} on holds training rows of it: no hold-out is left to measure its continuation on"
        )
    elif not len(new_rows(parent, holdout, times)):
        problems.append(
            f"no labelled row lies between {parent.train_end:%Y-%m-%d %H:%M} UTC, the last training row of version "
            f"{parent.version}, and the hold-out, which begins {holdout.start}"
        )
    return problems


def new_rows(parent: Parent, holdout: Fold, times: "NDArray[np.datetime64]") -> "NDArray[np.intp]":
    """The numbers of the rows for the continuation: before the hold-out, and no training rows of the champion."""
    return holdout.train[times[holdout.train] > _numpy(parent.train_end)]


def continue_champion(parent: Parent, rows: LabelledRows, chosen: "NDArray[np.intp]") -> "Pipeline":
    """A copy of the champion's pipeline with its estimator trained on these rows too, in one pass.

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
            f"version {parent.version} cannot be continued: classes {unknown} are new to it; it knows "
            f"{list(estimator.classes_)}. Train from scratch"
        )
    values = pipeline[:-1].transform(rows.values[chosen]) if len(pipeline) > 1 else rows.values[chosen]
    try:
        if hasattr(estimator, "booster_"):
            _check_all_there(parent, estimator, labels)
            pipeline.steps[-1] = (pipeline.steps[-1][0], add_trees(estimator, values, labels))
        else:
            estimator.partial_fit(values, labels)
    except ValueError as error:
        raise ConfigError(f"version {parent.version} cannot be continued: {error}. Train from scratch") from error
    return pipeline


def _check_all_there(parent: Parent, estimator: Any, labels: "NDArray[Any]") -> None:
    """Refuse rows that lack a class: trees are added for each.

    Raises:
        ConfigError: they do.
    """
    lacking = sorted(set(getattr(estimator, "classes_", ())) - set(labels.tolist()))
    if lacking:
        raise ConfigError(
            f"version {parent.version} cannot be continued: none of the {len(labels)} new rows has the label"
            f" {', '.join(map(str, lacking))}. Train from scratch"
        )


def _fit_problems(model: Model, parent: Parent) -> list[str]:
    """Why what was fitted cannot go on."""
    estimator, name = parent.pipeline[-1], type(parent.pipeline[-1]).__name__
    if hasattr(estimator, "graph"):
        program = model.train.programs.get(parent.selection.name)
        if program is None or parent.previous is None:
            return [f"version {parent.version} is a graph, and no program of today's declaration can go on from it"]
        if not program.continues:
            return [f"{program.program} does not declare that it can go on from version {parent.version} (continues)"]
    elif not hasattr(estimator, "partial_fit") and not hasattr(estimator, "booster_"):
        return [f"{name} of version {parent.version} cannot continue: it has no partial_fit"]
    elif getattr(estimator, "early_stopping", False):
        return [f"{name} of version {parent.version} cannot continue: early_stopping is set"]
    return []


def _declaration_problems(model: Model, parent: Parent) -> list[str]:
    then = parent.declared
    if then is None:
        return [f"the declaration of version {parent.version} is not valid under today's schema"]
    problems = []
    if then.label != model.label:
        problems.append(f"the label has changed since version {parent.version}")
    if then.features != model.features:
        problems.append(f"the features have changed since version {parent.version}")
    if then.joins != model.joins:
        problems.append(f"the joins have changed since version {parent.version}")
    used = {*(column for each in model.features for column in each.columns), model.label.column}
    changed = sorted(name for name in used if _kind(then, name) != _kind(model, name))
    if changed or then.dataset.step != model.dataset.step or then.dataset.key != model.dataset.key:
        problems.append(f"the dataset's schema has changed since version {parent.version}: {changed or 'key or step'}")
    if split_words(then) != split_words(model):
        problems.append(f"the split has changed since version {parent.version}: it was trained on rows of the hold-out")
    name = parent.selection.name
    candidate = model.train.candidates.get(name)
    if candidate is None or candidate != then.train.candidates.get(name):
        problems.append(f"the declaration of candidate {name} has changed since version {parent.version}")
    return problems


def _kind(model: Model, column: str) -> tuple[str, str] | None:
    declared = model.dataset.columns.get(column)
    return None if declared is None else (declared.type, declared.unit)


def _numpy(time: datetime) -> "np.datetime64":
    import numpy as np

    return np.datetime64(time.astimezone(UTC).replace(tzinfo=None), "us")
