"""Whether foretold numbers are honest: neither too high nor too low, and as near to the truth as they promise.

Source of the interval: Lei et al. (2018), "Distribution-free predictive inference for regression", JASA 113, split
conformal; here the rows that set its width come before those that test it.
"""

from typing import TYPE_CHECKING

from almanac.config.sections.gates import CalibrationGate
from almanac.errors import DataError
from almanac.release.gates.evaluation import Evaluation, GateResult, measure

if TYPE_CHECKING:
    import polars as pl


def bias(gate: CalibrationGate, evaluation: Evaluation) -> GateResult:
    """The mean error on the hold-out is small beside the spread of the labels there.

    Raises:
        ValueError: all labels are the same, so that there is no spread.
    """
    rows = evaluation.holdout
    spread, off = float(rows["label"].to_numpy().std()), measure("bias", rows, "answer")
    if not spread > 0:
        raise ValueError(f"all {rows.height} labels of the hold-out are the same")
    share = abs(off) / spread
    reason = (
        f"numbers on the hold-out are {abs(off):.4g} too {'high' if off > 0 else 'low'} on average, {share:.4f} of the "
        f"labels' standard deviation ({spread:.4g}); wanted at most {gate.max_bias:.4f}"
    )
    return GateResult("calibration[bias]", share <= gate.max_bias, share, gate.max_bias, reason)


def interval(gate: CalibrationGate, evaluation: Evaluation) -> GateResult:
    """An interval as wide as the misses before were holds about as much of what came then as it promises."""
    before, after = _parted(gate, evaluation)
    half = half_width(before, gate.coverage)
    covered = float((_misses(after) <= half).to_numpy().mean())
    least = gate.coverage - gate.max_short
    reason = (
        f"the interval of {gate.coverage:.0%} is the number ± {half:.4g}, from the misses on {before.height} earlier "
        f"rows; it holds {covered:.2%} of {after.height} later ones, wanted at least {least:.2%}"
    )
    return GateResult("calibration[interval]", covered >= least, covered, least, reason)


def half_width(rows: "pl.DataFrame", coverage: float) -> float:
    """The half width that holds this share of the rows: `label` and `answer`; the conformal quantile of the misses.

    Raises:
        DataError: too few rows to promise so much.
    """
    import numpy as np

    misses = np.sort(_misses(rows))
    place = int(np.ceil((len(misses) + 1) * coverage)) - 1
    if place >= len(misses):
        raise DataError(f"{len(misses)} rows are too few for an interval of {coverage:.0%}")
    return float(misses[place])


def _parted(gate: CalibrationGate, evaluation: Evaluation) -> tuple["pl.DataFrame", "pl.DataFrame"]:
    """The rows that set the width, and those that test it.

    The folds before the hold-out were foretold by models that had not seen them. A continued champion has seen them
    all: of it only the hold-out tells, whose older half then sets the width.
    """
    import polars as pl

    backtest, holdout = evaluation.backtest, evaluation.holdout
    earlier = backtest.filter(pl.col("fold") < holdout["fold"][0])
    if earlier.height >= gate.min_rows:
        return earlier, holdout
    holdout = holdout.sort("time")
    return holdout[: holdout.height // 2], holdout[holdout.height // 2 :]


def _misses(rows: "pl.DataFrame") -> "pl.Series":
    """How far each row is off, without sign.

    Raises:
        DataError: a row has no number.
    """
    misses = (rows["answer"] - rows["label"]).abs()
    if wrong := int((~misses.is_finite()).fill_null(True).sum()):
        raise DataError(f"{wrong} of {rows.height} rows have no number")
    return misses
