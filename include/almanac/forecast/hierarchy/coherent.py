"""A version whose totals are the sums of its grains: reconciled where that has a smaller error in backtests."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any

from almanac.config.schema import ForecastModel
from almanac.config.sections.forecasting.hierarchy import Method
from almanac.forecast.hierarchy.nodes import level_of, members_of
from almanac.forecast.hierarchy.reconcile import Reconciler, summing
from almanac.forecast.intervals import scale_of, scores_of

if TYPE_CHECKING:
    import polars as pl

    from almanac.forecast.panel import Array

GRAIN = "grain"
_MOST_OF_GRAINS = 1.02  # errors of the grains together: what totals gain is not paid for by the grains


@dataclass(frozen=True)
class Coherent:
    """Grains and totals that agree.

    Attributes:
        method: that was used: the declared one, or `bottom_up` where that one is no better in the mean over levels, or
            costs the grains.
        ratios: level -> absolute errors in backtests of the declared method, as a share of those of bottom-up.
        grains: results of the version; with `unreconciled`, the one before, where a method was used.
        totals: `grain` (with null for the columns that are summed over), `grains` (how many), `forecast`, and of its
            own backtests `held_out`, `origins`, `scores`, `scale`.
    """

    method: Method
    ratios: Mapping[str, float]
    grains: "pl.DataFrame"
    totals: "pl.DataFrame"


def make_coherent(model: ForecastModel, grains: "pl.DataFrame", totals: "pl.DataFrame") -> Coherent | None:
    """The coherent version of results; None: no hierarchy is declared, or a former release has made them.

    Each backtest is reconciled by the errors of the others, so that what is measured has not fitted itself.

    Args:
        model: declares the hierarchy.
        grains: results of the grains, sorted.
        totals: results of totals that have a forecast of their own; may be empty.
    """
    import numpy as np

    forecast = model.forecast
    if not forecast.hierarchy or not len(grains) or "held_out" not in grains.columns or grains["held_out"].null_count():
        return None
    members = members_of(forecast, grains[GRAIN].to_list())
    every, size = summing(list(members.values()), len(grains)), (grains["origins"][0], len(grains["forecast"][0]))
    plain, wrong = _array(grains["forecast"]), _array(grains["held_out"])
    has = [name for name in members if name in set(totals[GRAIN])] if len(totals) else []
    method: Method = "bottom_up"
    ratios: dict[str, float] = {}
    values, errors = plain, wrong
    if has and forecast.reconcile != "bottom_up":
        order = {name: place for place, name in enumerate(totals[GRAIN])}
        own = totals[[order[name] for name in has]]
        some = summing([members[name] for name in has], len(grains))
        above, wrong_above = _array(own["forecast"]), _array(own["held_out"])
        held = _held_out(forecast.reconcile, some, wrong_above, wrong, size)
        ratios = _ratios(model, list(members), every, held, wrong)
        if np.mean(list(ratios.values())) < 1 and ratios[_shown(forecast.grain)] <= _MOST_OF_GRAINS:
            method, errors = forecast.reconcile, held
            both = np.concatenate([wrong_above, wrong])
            values = Reconciler.of(forecast.reconcile, some, both).grains(above, plain)
            low, high = forecast.limits.min, forecast.limits.max
            values = values.clip(-inf if low is None else low, inf if high is None else high)
    return Coherent(
        method,
        ratios,
        grains if method == "bottom_up" else _corrected(grains, values, errors, size),
        _totals(model, members, every @ values, every @ errors, grains, size),
    )


def _held_out(method: Method, sums: Any, above: "Array", below: "Array", size: tuple[int, int]) -> "Array":
    """The errors of reconciled grains, each backtest by a W of the others' errors, of shape (grains, errors)."""
    import numpy as np

    origins, steps = size
    found = np.empty_like(below)
    for origin in range(origins):
        one = slice(origin * steps, (origin + 1) * steps)
        others = np.delete(np.concatenate([above, below]), np.arange(one.start, one.stop), axis=1)
        found[:, one] = Reconciler.of(method, sums, others).grains(above[:, one], below[:, one])
    return found


def _ratios(model: ForecastModel, totals: Sequence[str], every: Any, held: "Array", plain: "Array") -> dict[str, float]:
    import numpy as np

    levels = [_shown(level_of(model.forecast, name)) for name in totals]
    found = {}
    for level in dict.fromkeys(levels):
        of = [place for place, each in enumerate(levels) if each == level]
        found[level] = _ratio(np.abs(every @ held)[of], np.abs(every @ plain)[of])
    return {**found, _shown(model.forecast.grain): _ratio(np.abs(held), np.abs(plain))}


def _ratio(ours: "Array", theirs: "Array") -> float:
    return float(ours.sum() / theirs.sum()) if theirs.sum() else 1.0


def _shown(level: Sequence[str]) -> str:
    return " and ".join(level) or "all"


def _corrected(grains: "pl.DataFrame", values: "Array", errors: "Array", size: tuple[int, int]) -> "pl.DataFrame":
    """Results with the reconciled forecast, and with its errors in place of those before."""
    import numpy as np
    import polars as pl

    shaped = errors.reshape(len(errors), *size)
    return grains.with_columns(
        unreconciled=pl.col("forecast"),
        forecast=_lists(values),
        held_out=_lists(errors),
        scores=_lists([scores_of(each).ravel() for each in shaped]),
        scale=_lists([scale_of(each) for each in shaped]),
        step_errors=_lists(np.abs(shaped).mean(axis=1)),
        absolute_error=pl.Series(np.abs(errors).sum(axis=1)),
        signed_error=pl.Series(errors.sum(axis=1)),
    )


def _totals(
    model: ForecastModel,
    members: Mapping[str, Sequence[int]],
    values: "Array",
    errors: "Array",
    grains: "pl.DataFrame",
    size: tuple[int, int],
) -> "pl.DataFrame":
    import polars as pl

    shaped = errors.reshape(len(errors), *size)
    return pl.DataFrame(
        {
            GRAIN: [_full_name(model, name) for name in members],
            "grains": [len(each) for each in members.values()],
            "origin": [grains["origin"][0]] * len(members),
            "candidate": [""] * len(members),
            "kept_baseline": [False] * len(members),
            "forecast": _lists(values),
            "held_out": _lists(errors),
            "origins": [size[0]] * len(members),
            "scores": _lists([scores_of(each).ravel() for each in shaped]),
            "scale": _lists([scale_of(each) for each in shaped]),
        }
    )


def _full_name(model: ForecastModel, name: str) -> str:
    """With null for the columns of the grain that a total is over."""
    values = dict(zip(level_of(model.forecast, name), json.loads(name), strict=True))
    return json.dumps([values.get(column) for column in model.forecast.grain], ensure_ascii=False)


def _array(column: "pl.Series") -> "Array":
    import numpy as np

    return np.array(column.to_list(), dtype=np.float64)


def _lists(values: "Array | Sequence[Array]") -> "pl.Series":
    import polars as pl

    return pl.Series([each.tolist() for each in values], dtype=pl.List(pl.Float64))
