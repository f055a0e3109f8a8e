"""The newest records of each model, for pages and metrics: a few look-ups in indexes, whatever the number of rows.

Of long records only the columns that are shown are read: a page shows a hundred models at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, func, null, select, union_all

from almanac.journal.journal import Journal
from almanac.journal.records import BatchState, DecisionKind, RolloutTransition
from almanac.journal.rows import records_of
from almanac.journal.tables import alias_moves, batches, conditions, decisions, rollouts

CHAMPION, CHALLENGER = "champion", "challenger"  # as the registry names them
_ALIASES = (CHAMPION, CHALLENGER, "shadow")
TREND = 12  # decisions of a kind that a line is drawn through
_MODEL: Any = bindparam("model")


@dataclass(frozen=True)
class Judged:
    """A decision without its author; `reasons` only where they are shown."""

    at: datetime
    accepted: bool
    subject: str
    run_id: str
    figures: Mapping[str, float]
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Moved:
    """Where an alias points since when; an empty version: nowhere."""

    version: str
    at: datetime
    run_id: str


@dataclass(frozen=True)
class NewestRecords:
    """What a model's row is made of.

    Attributes:
        aliases: by name, the newest move of each alias that ever moved.
        judged: by kind of decision, the newest first, at most `TREND`.
        champion_gates: the gates' decision on the champion; None: it is not in the journal.
        newest_row: the end of the newest published rows, in event time; exclusive.
        published_at: when the newest dataset version was recorded.
        dataset_version: the newest.
        rollout: where the newest one stands, open or not.
    """

    aliases: Mapping[str, Moved]
    judged: Mapping[DecisionKind, tuple[Judged, ...]]
    champion_gates: Judged | None
    newest_row: datetime | None
    published_at: datetime | None
    dataset_version: int | None
    rollout: RolloutTransition | None

    def newest(self, kind: DecisionKind) -> Judged | None:
        """The newest decision of a kind."""
        return next(iter(self.judged.get(kind, ())), None)


def newest_records(journal: Journal, models: Sequence[str]) -> dict[str, NewestRecords]:
    """The newest records of some models, by name.

    Raises:
        TransientError: the journal is unreachable.
    """
    with journal.transaction() as connection:
        return {name: _of_model(connection, name) for name in models}


def open_alerts(journal: Journal) -> dict[str, dict[str, int]]:
    """How many alerts last, by model (empty: of none) and severity.

    Raises:
        TransientError: the journal is unreachable.
    """
    columns, found = conditions.c, dict[str, dict[str, int]]()
    query = select(columns.model, columns.message["severity"].as_string()).where(
        columns.closed_at.is_(None), columns.ended_at.is_(None)
    )
    with journal.transaction() as connection:
        for model, severity in connection.execute(query):
            counts = found.setdefault(model, {})
            counts[severity] = counts.get(severity, 0) + 1
    return found


def _of_model(connection: Any, name: str) -> NewestRecords:
    mine = {"model": name}
    moves = connection.execute(_MOVES, mine).all()
    aliases = {row.alias: Moved(row.to_version, row.moved_at, row.run_id) for row in moves}
    judged: dict[DecisionKind, list[Judged]] = {}
    for row in connection.execute(_DECISIONS, mine).all():
        judged.setdefault(DecisionKind(row.kind), []).append(_judged(row))
    gates = judged.get(DecisionKind.GATES, [])
    batch = connection.execute(_PUBLISHED, mine).first()
    return NewestRecords(
        aliases,
        {kind: tuple(rows) for kind, rows in judged.items()},
        _champion_gates(connection, name, aliases.get(CHAMPION), gates),
        connection.execute(_NEWEST_ROW, mine).scalar(),
        batch.recorded_at if batch else None,
        batch.dataset_version if batch else None,
        next(iter(records_of(RolloutTransition, connection.execute(_ROLLOUT, mine).mappings())), None),
    )


def _champion_gates(connection: Any, name: str, champion: Moved | None, newest: Sequence[Judged]) -> Judged | None:
    """The decision of the run that registered the champion: it made it challenger first."""
    if champion is None or not champion.version:
        return None
    first = {"model": name, "alias": CHALLENGER, "version": champion.version}
    made = connection.execute(_FIRST_MOVE, first).first()
    if made is None:
        return None
    for one in newest:
        if one.accepted and one.run_id == made.run_id:
            return one
    row = connection.execute(_GATES_OF_RUN, {"model": name, "dag": made.dag_id, "run": made.run_id}).first()
    return None if row is None else _judged(row)


def _judged(row: Any) -> Judged:
    return Judged(row.decided_at, row.accepted, row.subject, row.run_id, row.figures, tuple(row.reasons or ()))


def _newest_move(alias: str) -> Any:
    mine = (alias_moves.c.model == _MODEL) & (alias_moves.c.alias == alias)
    return select(func.max(alias_moves.c.id)).where(mine).scalar_subquery()


def _newest_ids(kind: DecisionKind, count: int) -> Any:
    of_kind = select(decisions.c.id).where(decisions.c.model == _MODEL, decisions.c.kind == kind)
    found = of_kind.order_by(decisions.c.id.desc()).limit(count).subquery()
    return select(found.c.id)


_SHOWN = (
    decisions.c.kind,
    decisions.c.decided_at,
    decisions.c.accepted,
    decisions.c.subject,
    decisions.c.run_id,
    decisions.c.figures,
)
_TRENDS = (DecisionKind.GATES, DecisionKind.RETRAIN_REQUEST)
_REASONS: Any = case((decisions.c.kind.in_(_TRENDS), null()), else_=decisions.c.reasons).label("reasons")
_LAST = (DecisionKind.TRAINING, DecisionKind.SCORING)
_DECISIONS = (
    select(*_SHOWN, _REASONS)
    .where(
        decisions.c.id.in_(
            union_all(*(_newest_ids(kind, TREND) for kind in _TRENDS), *(_newest_ids(kind, 1) for kind in _LAST))
        )
    )
    .order_by(decisions.c.id.desc())
)
_MOVES = select(alias_moves.c.alias, alias_moves.c.to_version, alias_moves.c.moved_at, alias_moves.c.run_id).where(
    alias_moves.c.id.in_([_newest_move(alias) for alias in _ALIASES])
)
_FIRST_MOVE = (
    select(alias_moves.c.dag_id, alias_moves.c.run_id)
    .where(alias_moves.c.model == _MODEL, alias_moves.c.alias == bindparam("alias"))
    .where(alias_moves.c.to_version == bindparam("version"))
    .order_by(alias_moves.c.id)
    .limit(1)
)
_GATES_OF_RUN = (
    select(*_SHOWN, _REASONS)
    .where(decisions.c.dag_id == bindparam("dag"), decisions.c.run_id == bindparam("run"))
    .where(decisions.c.model == _MODEL, decisions.c.kind == DecisionKind.GATES)
    .order_by(decisions.c.id.desc())
    .limit(1)
)
_OF_PUBLISHED = (batches.c.model == _MODEL, batches.c.state == BatchState.PUBLISHED)
_PUBLISHED = (
    select(batches.c.recorded_at, batches.c.dataset_version)
    .where(*_OF_PUBLISHED, batches.c.dataset_version.is_not(None))
    .order_by(batches.c.dataset_version.desc())
    .limit(1)
)
_NEWEST_ROW = select(func.max(batches.c.window_end)).where(*_OF_PUBLISHED)
_ROLLOUT = (
    select(rollouts)
    .where(rollouts.c.model == _MODEL)
    .order_by(rollouts.c.ordinal.desc(), rollouts.c.number.desc())
    .limit(1)
)
