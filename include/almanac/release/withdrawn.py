"""Whether a version was taken out of production by a rollback, and nobody has put it back since."""

from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry.records import CHAMPION, ModelVersion, Tag


def rolled_back_at(journal: Journal, version: ModelVersion) -> str:
    """When a rollback took it out of production, ISO 8601; empty: none did, or it was put back since.

    By the version's tag, which is set before the move is in the journal and taken off when somebody puts the version
    back; and by the journal, which MLflow's users cannot change: the way in which it left production last.
    """
    if told := version.tags.get(Tag.ROLLED_BACK_AT):
        return told
    moves = (move for move in journal.alias_moves(version.model) if move.alias == CHAMPION)
    last = next((move for move in moves if version.version in (move.from_version, move.to_version)), None)
    if last is None or last.to_version == version.version:
        return ""
    rollbacks = journal.decisions(version.model, DecisionKind.ROLLBACK, run=last.run)
    return last.moved_at.isoformat() if rollbacks else ""
