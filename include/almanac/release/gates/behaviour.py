"""What is known of the world before any data. Source: Ribeiro et al. (2020), "Beyond Accuracy: CheckList", ACL."""

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
    """Every declared test of invariance and direction on the hold-out's rows, and every case, comes out as declared."""
    declared, served = model.gates.behaviour, evaluation.served
    if not (declared.invariance or declared.direction or declared.cases):
        return [GateResult("behaviour", True, None, None, "no test of behaviour is declared")]
    if served is None:
        return [refuse("behaviour", "there is no graph to ask")]
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

    moved = np.abs(_change_of_answer(one, graph, served, model))
    far, count = float(moved.max()), int((moved > one.max_difference).sum())
    change = f"set to {one.to!r}" if one.by is None else f"changed by {one.by:+g}"
    reason = (
        f"with {one.column} {change}, {count} of {len(moved)} rows move by more than {one.max_difference:g}, "
        f"the farthest by {far:.2e}; wanted none"
    )
    return count == 0, far, one.max_difference, reason


def _direction(one: Direction, graph: OnnxModel, served: Served, model: Model) -> tuple[bool, float, float, str]:
    import numpy as np

    moved = _change_of_answer(one, graph, served, model)
    rounding = _ROUNDING * (max(float(np.abs(moved).max()), 1.0) if graph.is_number else 1.0)
    kept = moved >= -rounding if one.probability == "not_lower" else moved <= rounding
    share = float(kept.mean())
    reason = (
        f"with {one.column} changed by {one.by:+g}, the {_answer(graph)} is {one.probability.replace('_', ' ')} on "
        f"{share:.2%} of {len(moved)} rows; wanted at least {one.share:.2%}"
    )
    return share >= one.share, share, one.share, reason


def _case(one: Case, graph: OnnxModel, model: Model) -> tuple[bool, float, float, str]:
    said = float(graph.score(build_features(model, case_frame(model, one)))[-1])
    lowest, highest = (-math.inf, math.inf) if graph.is_number else (0.0, 1.0)
    low = lowest if one.at_least is None else one.at_least
    high = highest if one.at_most is None else one.at_most
    limit = low if said < low else high if one.at_least is None else low
    reason = f"the {_answer(graph)} is {said:.4f}, wanted {low:g} to {high:g}"
    return low <= said <= high, said, limit, reason


def _answer(graph: OnnxModel) -> str:
    return "prediction" if graph.is_number else "probability"


def _change_of_answer(
    change: Invariance | Direction, graph: OnnxModel, served: Served, model: Model
) -> "NDArray[np.float64]":
    """How far each of the hold-out's rows moves when the column is changed everywhere, its history included."""
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
    """The rows of a case as the dataset holds them; what is not said is null."""
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
