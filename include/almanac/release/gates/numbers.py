"""Calibration of predicted numbers: small bias, and prediction intervals that hold what they promise.

Source of the interval: Lei et al. (2018), "Distribution-free predictive inference for regression", JASA 113, split
conformal prediction; here the rows that set the width come before those that test it.
"""

from typing import TYPE_CHECKING

from almanac.config.sections.gates import CalibrationGate
from almanac.errors import DataError
from almanac.release.gates.evaluation import Evaluation, GateResult, measure

if TYPE_CHECKING:
    import polars as pl


def bias(gate: CalibrationGate, evaluation: Evaluation) -> GateResult:
    """The mean error on the hold-out is small compared with the standard deviation of its labels.

    Raises:
        ValueError: all labels are the same.
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
    """An interval from the errors on earlier rows covers about the promised share of later rows."""
    before, after = _parted(gate, evaluation)
    half = half_width(before, gate.coverage)
    covered = float((_misses(after) <= half).to_numpy().mean())
    least = gate.coverage - gate.max_short
    reason = (
        f"the interval of {gate.coverage:.0%} is the number ± {half:.4g}, from the errors on {before.height} earlier "
        f"rows; it covers {covered:.2%} of {after.height} later ones, wanted at least {least:.2%}"
    )
    return GateResult("calibration[interval]", covered >= least, covered, least, reason)


def half_width(rows: "pl.DataFrame", coverage: float) -> float:
    """The half width that covers this share of the rows (`label`, `answer`): the conformal quantile of the errors.

    Raises:
        DataError: too few rows for this coverage.
    """
    import numpy as np

    misses = np.sort(_misses(rows))
    rank = int(np.ceil((len(misses) + 1) * coverage)) - 1
    if rank >= len(misses):
        raise DataError(f"{len(misses)} rows are too few for an interval of {coverage:.0%}")
    return float(misses[rank])


def _parted(gate: CalibrationGate, evaluation: Evaluation) -> tuple["pl.DataFrame", "pl.DataFrame"]:
    """The rows that set the width, and those that test it.

    The folds before the hold-out were predicted by models that were not trained on them. A continued champion was
    trained on them: only its hold-out counts, whose older half then sets the width.
    """
    import polars as pl

    backtest, holdout = evaluation.backtest, evaluation.holdout
    earlier = backtest.filter(pl.col("fold") < holdout["fold"][0])
    if earlier.height >= gate.min_rows:
        return earlier, holdout
    holdout = holdout.sort("time")
    return holdout[: holdout.height // 2], holdout[holdout.height // 2 :]


def _misses(rows: "pl.DataFrame") -> "pl.Series":
    """The absolute error of each row.

    Raises:
        DataError: a row has no prediction.
    """
    misses = (rows["answer"] - rows["label"]).abs()
    if wrong := int((~misses.is_finite()).fill_null(True).sum()):
        raise DataError(f"{wrong} of {rows.height} rows have no predicted number")
    return misses
