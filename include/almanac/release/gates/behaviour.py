"""Behavioural tests of the served graph.

Source: Ribeiro et al. (2020), "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL.
"""

import math
from functools import partial
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.gates import Case, Direction, Invariance
from almanac.features.features import build_features
from almanac.registry.onnx_model import OnnxModel
from almanac.release.gates.evaluation import Evaluation, GateResult, Served, closed, refuse

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_ROUNDING = 1e-6  # a probability in float32 has seven digits


def behaviour(model: Model, evaluation: Evaluation) -> list[GateResult]:
    """All declared invariances and directions hold on the hold-out's rows, and all declared cases."""
    declared, served = model.gates.behaviour, evaluation.served
    if not (declared.invariance or declared.direction or declared.cases):
        return [GateResult("behaviour", True, None, None, "no test of behaviour is declared")]
    if served is None:
        return [refuse("behaviour", "there is no graph to test")]
    graph = OnnxModel(served.onnx)
    tests = {
        **{f"invariance {one.column}": partial(_invariance, one, graph, served) for one in declared.invariance},
        **{
            f"direction {one.column} {one.by:+g}": partial(_direction, one, graph, served) for one in declared.direction
        },
        **{f"case {name}": partial(_case, one, graph) for name, one in declared.cases.items()},
    }
    return [
        result
        for name, test in tests.items()
        for result in closed(f"behaviour[{name}]", partial(_one, f"behaviour[{name}]", test), model, evaluation)
    ]


def _one(name: str, test: "partial[tuple[bool, float, float, str]]", model: Model, _: Evaluation) -> list[GateResult]:
    ok, measured, limit, reason = test(model)
    return [GateResult(name, ok, measured, limit, reason)]


def _invariance(one: Invariance, graph: OnnxModel, served: Served, model: Model) -> tuple[bool, float, float, str]:
    import numpy as np

    moved = np.abs(_change_of_prediction(one, graph, served, model))
    moved = moved.max(axis=1) if moved.ndim == 2 else moved
    far, count = float(moved.max()), int((moved > one.max_difference).sum())
    change = f"set to {one.to!r}" if one.by is None else f"changed by {one.by:+g}"
    reason = (
        f"with {one.column} {change}, {count} of {len(moved)} predictions change by more than {one.max_difference:g}, "
        f"at most by {far:.2e}; wanted none"
    )
    return count == 0, far, one.max_difference, reason


def _direction(one: Direction, graph: OnnxModel, served: Served, model: Model) -> tuple[bool, float, float, str]:
    import numpy as np

    moved = _of_class(one, graph, _change_of_prediction(one, graph, served, model))
    rounding = _ROUNDING * (max(float(np.abs(moved).max()), 1.0) if graph.is_number else 1.0)
    kept = moved >= -rounding if one.probability == "not_lower" else moved <= rounding
    share = float(kept.mean())
    reason = (
        f"with {one.column} changed by {one.by:+g}, the {_prediction(graph, one)} is"
        f" {one.probability.replace('_', ' ')} on {share:.2%} of {len(moved)} rows; wanted at least {one.share:.2%}"
    )
    return share >= one.share, share, one.share, reason


def _case(one: Case, graph: OnnxModel, model: Model) -> tuple[bool, float, float, str]:
    predicted = float(_of_class(one, graph, graph.score(build_features(model, case_frame(model, one))))[-1])
    lowest, highest = (-math.inf, math.inf) if graph.is_number else (0.0, 1.0)
    low = lowest if one.at_least is None else one.at_least
    high = highest if one.at_most is None else one.at_most
    limit = low if predicted < low else high if one.at_least is None else low
    reason = f"the {_prediction(graph, one)} is {predicted:.4f}, wanted {low:g} to {high:g}"
    return low <= predicted <= high, predicted, limit, reason


def _prediction(graph: OnnxModel, one: Direction | Case) -> str:
    if one.class_ is not None:
        return f"probability of {one.class_}"
    return "prediction" if graph.is_number else "probability"


def _of_class(one: Direction | Case, graph: OnnxModel, predictions: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The predictions that a test is about, [n]: of several classes those of the one that it names."""
    if one.class_ is None:
        return predictions
    found: NDArray[np.float64] = predictions[:, graph.classes.index(one.class_)]
    return found


def _change_of_prediction(
    change: Invariance | Direction, graph: OnnxModel, served: Served, model: Model
) -> "NDArray[np.float64]":
    """The change of each prediction of the hold-out when the column is changed in all rows and the history.

    [n], or [n, k] of several classes.
    """
    import polars as pl

    to = getattr(change, "to", None)
    value = pl.lit(to) if change.by is None else pl.col(change.column) + change.by
    changed = served.frame.with_columns(value.alias(change.column))
    before, after = (graph.score(build_features(model, frame))[served.rows] for frame in (served.frame, changed))
    if not len(before):
        raise ValueError("the hold-out has no row")
    moved: NDArray[np.float64] = after - before
    return moved


def case_frame(model: Model, case: Case) -> "pl.DataFrame":
    """The rows of a case in the dataset's schema; columns that it does not name are null."""
    import polars as pl

    types = {"timestamp": pl.String, "float": pl.Float64, "integer": pl.Float64, "string": pl.String}
    columns = {**model.dataset.columns, **model.joined}
    frame = pl.DataFrame(case.rows, schema={name: types[column.type] for name, column in columns.items()})
    times = [
        pl.col(name).str.to_datetime(time_unit="us", time_zone="UTC")
        for name, column in columns.items()
        if column.type == "timestamp"
    ]
    return frame.with_columns(times)
