"""What was observed during one visit of one step: counted from the log of answers, where each answer stands once."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.data.table.delta_table import open_table

if TYPE_CHECKING:
    from datetime import datetime

    import polars as pl

CHAMPION_ARM, CHALLENGER_ARM, MIRROR_ARM = "champion", "challenger", "mirror"
_COLUMNS = ("id", "arm", "unit", "failed", "agrees", "prediction", "label", "latency_us")
_SLOW_US = 1e3  # of a millisecond


@dataclass(frozen=True)
class ArmCounts:
    """What one version did in one visit.

    Attributes:
        rows: that it was asked.
        failed: of these, that it did not answer.
        slow: of these, that took longer than declared.
        units: how many it was asked about.
        outcomes: rows with a known outcome.
        loss_mean, loss_variance: of these; the variance is that of one row.
    """

    rows: int = 0
    failed: int = 0
    slow: int = 0
    units: int = 0
    outcomes: int = 0
    loss_mean: float = 0.0
    loss_variance: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """What was observed in one visit of a step.

    Attributes:
        champion, challenger: by version. Before the first step the challenger's rows are those that it mirrored.
        compared: rows that both have predicted.
        disagreed: of these, with another label.
        units_in_both: that both have answered.
    """

    champion: ArmCounts = ArmCounts()
    challenger: ArmCounts = ArmCounts()
    compared: int = 0
    disagreed: int = 0
    units_in_both: int = 0


def read_evidence(
    answers: str,
    outcomes: str,
    visit: str,
    *,
    since: "datetime",
    mirroring: bool,
    p99_ms: float | None,
    metric: str | None,
) -> Evidence:
    """Count what the log says of one visit; nothing where there is no log yet.

    Args:
        answers: the place of the table of answers.
        outcomes: of that of outcomes.
        visit: what is counted; see `RolloutTransition.visit`.
        since: when the visit began, aware: older days are not read.
        mirroring: the challenger answers nobody in this visit.
        p99_ms: from when on a row is slow; None: no row is.
        metric: of losses; None: outcomes are not read.

    Raises:
        TransientError: a store is unreachable.
    """
    import polars as pl

    frame = _rows_of(answers, visit, since)
    if frame is None:
        return Evidence()
    mirrored = frame.filter(pl.col("arm") == MIRROR_ARM)
    compared = mirrored.filter(pl.col("agrees").is_not_null())
    own = frame.filter(pl.col("arm") != MIRROR_ARM)
    losses = _losses(own, outcomes, since, metric) if metric else None
    units = own.filter(pl.col("unit").is_not_null()).select("unit", "asked").unique()
    return Evidence(
        _counts(own.filter(pl.col("asked") == CHAMPION_ARM), p99_ms, losses),
        _counts(mirrored if mirroring else own.filter(pl.col("asked") == CHALLENGER_ARM), p99_ms, losses),
        compared.height,
        compared.filter(~pl.col("agrees")).height,
        units.height - units["unit"].n_unique(),
    )


def _rows_of(uri: str, visit: str, since: "datetime") -> "pl.DataFrame | None":
    """The rows of a visit; those that were shipped by an older release have no visit."""
    import polars as pl

    table = open_table(uri)
    if table is None or "visit" not in {field.name for field in table.schema().fields}:
        return None
    scan = pl.scan_delta(table).filter(pl.col("_day") >= _day_before(since), pl.col("visit") == visit)
    # a row that the challenger failed to answer is the challenger's, though the champion answered
    asked = pl.coalesce("failed", "arm").alias("asked")
    return scan.select(*_COLUMNS, asked).collect()


def _day_before(since: "datetime") -> str:
    """Days before this one are not read; servers' clocks may differ by hours, not by a day."""
    return (since - timedelta(days=1)).strftime("%Y-%m-%d")


def _losses(own: "pl.DataFrame", uri: str, since: "datetime", metric: str) -> "pl.DataFrame | None":
    """`id` and `loss` of rows whose outcome is known; the first that was sent counts."""
    import polars as pl

    table = open_table(uri)
    if table is None:
        return None
    scan = pl.scan_delta(table).filter(pl.col("_day") >= _day_before(since))
    known = scan.select("id", "outcome", "received_at").collect().sort("received_at").unique("id", keep="first")
    both = own.join(known, on="id", how="inner")
    wrong = (pl.col("outcome") != pl.col("label")).cast(pl.Float64)
    squared = (pl.col("prediction") - pl.col("outcome").cast(pl.Float64, strict=False)) ** 2
    return both.select("id", loss=squared if metric == "brier" else wrong).drop_nulls()


def _counts(rows: "pl.DataFrame", p99_ms: float | None, losses: "pl.DataFrame | None") -> ArmCounts:
    import polars as pl

    own = (
        None
        if losses is None
        else losses.join(rows.filter(pl.col("failed").is_null()).select("id"), on="id", how="semi")
    )
    known = own is not None and own.height > 1
    mean, variance = (own["loss"].mean(), own["loss"].var()) if own is not None and known else (0.0, 0.0)
    return ArmCounts(
        rows.height,
        rows["failed"].count(),
        0 if p99_ms is None else rows.filter(pl.col("latency_us") > p99_ms * _SLOW_US).height,
        rows["unit"].drop_nulls().n_unique(),
        0 if own is None else own.height,
        float(mean),  # type: ignore[arg-type]
        float(variance),  # type: ignore[arg-type]
    )
