"""What people add to a forecast: so many percent for a grain and a range of time, with a reason and an expiry.

The model's value is never changed: the published table has both. Who, why and until when is in the journal.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.config.schema import ForecastModel
from almanac.errors import DataError
from almanac.forecast.results import GRAIN
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef

if TYPE_CHECKING:
    import polars as pl

_LONGEST = 400  # characters of a reason
_MOST = 1000.0  # percent


@dataclass(frozen=True)
class Adjustment:
    """One adjustment.

    Attributes:
        id: by which it is undone.
        grain: as JSON.
        since, until: of the times that are adjusted; `until` is exclusive.
        percent: +10 makes 100 into 110.
        expires_at: from then on it is not applied.
        made_by, made_at, reason: for audits.
        undone: why, and by whom; empty: it is not.
    """

    id: str
    grain: str
    since: datetime
    until: datetime
    percent: float
    expires_at: datetime
    made_by: str
    made_at: datetime
    reason: str
    undone: str = ""

    def is_active(self, now: datetime) -> bool:
        """Whether it is applied."""
        return not self.undone and now < self.expires_at


def adjustments_of(journal: Journal, model: str) -> list[Adjustment]:
    """All adjustments of a forecast, the oldest first.

    Raises:
        TransientError: the journal is unreachable.
    """
    decisions = journal.decisions(model, DecisionKind.ADJUSTMENT)
    undone = {one.subject: f"{one.run.started_by}: {'; '.join(one.reasons)}" for one in decisions if not one.accepted}
    return [_adjustment(one, undone) for one in reversed(decisions) if one.accepted]


def add_adjustment(
    model: ForecastModel, journal: Journal, wanted: Adjustment, known: Sequence[str], *, run: RunRef
) -> None:
    """Record an adjustment; it is applied by the next publication.

    Args:
        model: whose forecast.
        journal: keeps it.
        wanted: see there.
        known: the grains of the published version.
        run: who does it.

    Raises:
        DataError: the grain is not forecast, or the range, percent or expiry make no sense.
    """
    where = f"{model.name}: adjust {wanted.grain}"
    if wanted.grain not in known:
        raise DataError(f"{where}: no such grain is published; expected one such as {', '.join(known[:3])}")
    if wanted.since >= wanted.until:
        raise DataError(f"{where}: the range is empty; got {wanted.since} up to, not including, {wanted.until}")
    if not (-100 <= wanted.percent <= _MOST) or not wanted.percent:
        raise DataError(f"{where}: got {wanted.percent:+g} percent, expected -100 to {_MOST:g}, and not 0")
    if wanted.expires_at <= wanted.made_at:
        raise DataError(f"{where}: it would have expired already; got {wanted.expires_at}, expected a time to come")
    figures = {"percent": wanted.percent, "since": wanted.since.timestamp(), "until": wanted.until.timestamp()}
    decision = Decision(
        *(model.name, DecisionKind.ADJUSTMENT, True, (wanted.reason[:_LONGEST],), wanted.made_at, run, wanted.grain),
        figures=figures,
        expires_at=wanted.expires_at,
        cause=wanted.id,
    )
    journal.record_once(decision)


def undo_adjustment(
    model: ForecastModel, journal: Journal, wanted: str, reason: str, *, run: RunRef, now: datetime
) -> Adjustment:
    """Take an adjustment back; it stays in the journal.

    Raises:
        DataError: there is none of that id, or it is undone already.
    """
    found = {one.id: one for one in adjustments_of(journal, model.name)}
    if wanted not in found or found[wanted].undone:
        can = sorted(one.id for one in found.values() if not one.undone)
        raise DataError(f"{model.name}: no adjustment {wanted!r} that could be undone; expected one of {can}")
    undo = Decision(model.name, DecisionKind.ADJUSTMENT, False, (reason,), now, run, wanted, cause=f"undo {wanted}")
    journal.record_once(undo)
    return found[wanted]


def new_id(grain: str, made_at: datetime) -> str:
    """A short name that no other adjustment has."""
    return hashlib.sha256(f"{grain} {made_at.isoformat()}".encode()).hexdigest()[:8]


def fingerprint(active: Sequence[Adjustment]) -> str:
    """Tells sets of adjustments apart; empty for none."""
    text = json.dumps(sorted(one.id for one in active))
    return hashlib.sha256(text.encode()).hexdigest()[:12] if active else ""


def with_adjustments(rows: "pl.DataFrame", grains: Sequence[str], active: Sequence[Adjustment]) -> "pl.DataFrame":
    """Rows of a forecast with `adjusted`, and `adjustment`, which names by what; several are multiplied.

    Args:
        rows: with `time` and `forecast`.
        grains: the grain of each row.
        active: those that are applied, the oldest first.
    """
    import polars as pl

    factor, by = pl.lit(1.0), [pl.lit("", pl.String)]
    for one in active:
        hit = (pl.col(GRAIN) == one.grain) & (pl.col("time") >= one.since) & (pl.col("time") < one.until)
        factor = factor * pl.when(hit).then(1 + one.percent / 100).otherwise(1.0)
        by.append(pl.when(hit).then(pl.lit(f"{one.id} ")).otherwise(pl.lit("")))
    return (
        rows.with_columns(pl.Series(GRAIN, grains, pl.String))
        .with_columns(
            adjusted=pl.col("forecast") * factor, adjustment=pl.concat_str(by, separator="").str.strip_chars()
        )
        .drop(GRAIN)
    )


def _adjustment(one: Decision, undone: dict[str, str]) -> Adjustment:
    since, until = (datetime.fromtimestamp(one.figures[name], UTC) for name in ("since", "until"))
    expires_at, id_ = one.expires_at or one.decided_at, str(one.cause)
    return Adjustment(
        *(id_, one.subject, since, until, one.figures["percent"], expires_at),
        made_by=one.run.started_by,
        made_at=one.decided_at,
        reason="; ".join(one.reasons),
        undone=undone.get(id_, ""),
    )
