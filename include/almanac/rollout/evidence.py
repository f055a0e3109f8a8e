"""What was observed during one visit of one step: counted from the log of answers, where each answer stands once."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from almanac.data.table.data_files import active_files
from almanac.data.table.delta_table import collect, open_table, scan_table

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


@dataclass(frozen=True)
class Visit:
    """Of what evidence is counted.

    Attributes:
        answers: the place of the table of answers.
        outcomes: of that of outcomes.
        name: what is counted; see `RolloutTransition.visit`.
        since: when the visit began, aware: older days are not read.
        mirroring: the challenger answers nobody in this visit.
        p99_ms: from when on a row is slow; None: no row is.
        metric: of losses; None: outcomes are not read.
    """

    answers: str
    outcomes: str
    name: str
    since: "datetime"
    mirroring: bool
    p99_ms: float | None
    metric: str | None

    @property
    def first_day(self) -> str:
        """Days before this one are not read; servers' clocks may differ by hours, not by a day."""
        return (self.since - timedelta(days=1)).strftime("%Y-%m-%d")


class VisitCounts:
    """Evidence of one visit, asked for again and again: each file of the log is read once.

    The sums are in this process's memory alone. Another one, or one that was killed, reads the log from the visit's
    beginning and comes to the same sums; so does this one where a file that it has read is in the table no more.

    Args:
        visit: what is counted.
    """

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._read: frozenset[str] = frozenset()
        self._sums: VisitSums | None = None

    def count(self) -> Evidence:
        """Count what the log says now; nothing where there is no log yet.

        Raises:
            TransientError: a store is unreachable; nothing of this look is counted.
        """
        table = open_table(self.visit.answers)
        if table is None or "visit" not in {field.name for field in table.schema().fields}:
            return Evidence()  # rows that were shipped by an older release have no visit
        files = frozenset(name for name in active_files(table) if _day_of(name) >= self.visit.first_day)
        known = self._sums if self._read <= files else None  # else the table was compacted, or is another one
        if new := files - self._read if known is not None else files:
            found = VisitSums.of(self.visit, _rows_of(table, new, self.visit.name))
            known = found if known is None else known.plus(found)
        self._read, self._sums = files, known
        return Evidence() if known is None else known.evidence(self.visit)


def _day_of(name: str) -> str:
    return name.partition("/")[0].removeprefix("_day=")


def _rows_of(table: Any, files: Collection[str], visit: str) -> "pl.DataFrame":
    import polars as pl

    # a row that the challenger failed to answer is the challenger's, though the champion answered
    asked = pl.coalesce("failed", "arm").alias("asked")
    chosen = scan_table(table, files).filter(pl.col("visit") == visit).select(*_COLUMNS, asked)
    return collect(chosen, str(table.table_uri))


@dataclass(frozen=True, eq=False)
class RoleSums:
    """What one version did; see `ArmCounts`.

    Attributes:
        rows, failed, slow: how many.
        units: those that it was asked about, each once.
        answered: the ids of rows that it answered; empty where outcomes are not read.
    """

    rows: int
    failed: int
    slow: int
    units: "pl.Series"
    answered: "pl.Series"

    @classmethod
    def of(cls, visit: Visit, rows: "pl.DataFrame") -> "RoleSums":
        """Of some rows."""
        import polars as pl

        slow = 0 if visit.p99_ms is None else rows.filter(pl.col("latency_us") > visit.p99_ms * _SLOW_US).height
        answered = rows.filter(pl.col("failed").is_null())["id"] if visit.metric else rows["id"].clear()
        return cls(rows.height, rows["failed"].count(), slow, rows["unit"].drop_nulls().unique(), answered)

    def plus(self, other: "RoleSums") -> "RoleSums":
        """Of the rows of both."""
        return RoleSums(
            self.rows + other.rows,
            self.failed + other.failed,
            self.slow + other.slow,
            self.units.append(other.units).unique(),
            self.answered.append(other.answered),
        )

    def counts(self, losses: "pl.DataFrame | None") -> ArmCounts:
        """With what is known of outcomes now."""
        own = None if losses is None else losses.join(self.answered.to_frame(), on="id", how="semi")
        known = own is not None and own.height > 1
        mean, variance = (own["loss"].mean(), own["loss"].var()) if own is not None and known else (0.0, 0.0)
        outcomes = 0 if own is None else own.height
        return ArmCounts(self.rows, self.failed, self.slow, self.units.len(), outcomes, float(mean), float(variance))  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class VisitSums:
    """What is added up of the rows of a visit.

    Attributes:
        champion, challenger: by the version that was asked.
        compared, disagreed: see `Evidence`.
        asked: each `unit` with each version that was `asked` about it, once.
        predicted: `id`, `prediction` and `label` of what was answered; empty where outcomes are not read.
    """

    champion: RoleSums
    challenger: RoleSums
    compared: int
    disagreed: int
    asked: "pl.DataFrame"
    predicted: "pl.DataFrame"

    @classmethod
    def of(cls, visit: Visit, rows: "pl.DataFrame") -> "VisitSums":
        """Of some rows."""
        import polars as pl

        mirrored = rows.filter(pl.col("arm") == MIRROR_ARM)
        compared = mirrored.filter(pl.col("agrees").is_not_null())
        own = rows.filter(pl.col("arm") != MIRROR_ARM)
        predicted = own.select("id", "prediction", "label")
        return cls(
            RoleSums.of(visit, own.filter(pl.col("asked") == CHAMPION_ARM)),
            RoleSums.of(visit, mirrored if visit.mirroring else own.filter(pl.col("asked") == CHALLENGER_ARM)),
            compared.height,
            compared.filter(~pl.col("agrees")).height,
            own.filter(pl.col("unit").is_not_null()).select("unit", "asked").unique(),
            predicted if visit.metric else predicted.clear(),
        )

    def plus(self, other: "VisitSums") -> "VisitSums":
        """Of the rows of both."""
        import polars as pl

        return VisitSums(
            self.champion.plus(other.champion),
            self.challenger.plus(other.challenger),
            self.compared + other.compared,
            self.disagreed + other.disagreed,
            pl.concat([self.asked, other.asked]).unique(),
            pl.concat([self.predicted, other.predicted]),
        )

    def evidence(self, visit: Visit) -> Evidence:
        """With what is known of outcomes now."""
        losses = _losses(self.predicted, visit) if visit.metric else None
        return Evidence(
            self.champion.counts(losses),
            self.challenger.counts(losses),
            self.compared,
            self.disagreed,
            self.asked.height - self.asked["unit"].n_unique(),
        )


def _losses(predicted: "pl.DataFrame", visit: Visit) -> "pl.DataFrame | None":
    """`id` and `loss` of rows whose outcome is known; the first that was sent counts."""
    import polars as pl

    table = open_table(visit.outcomes)
    if table is None:
        return None
    scan = scan_table(table).filter(pl.col("_day") >= visit.first_day).select("id", "outcome", "received_at")
    known = collect(scan, visit.outcomes).sort("received_at").unique("id", keep="first")
    # in one order, whichever files were read when: a sum of floats depends on it
    both = predicted.join(known, on="id", how="inner").sort("id")
    wrong = (pl.col("outcome") != pl.col("label")).cast(pl.Float64)
    squared = (pl.col("prediction") - pl.col("outcome").cast(pl.Float64, strict=False)) ** 2
    return both.select("id", loss=squared if visit.metric == "brier" else wrong).drop_nulls()
