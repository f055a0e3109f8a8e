"""Whether a rollback took a version out of production, and nobody has put it back since."""

from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry.records import CHAMPION, ModelVersion, Tag


def rolled_back_at(journal: Journal, version: ModelVersion) -> str:
    """When a rollback took it out of production, ISO 8601; empty: none did, or it was put back since.

    By the version's tag, which is set before the move is in the journal and removed when a person puts the version
    back; and by the journal, which users of MLflow cannot change: by its last move out of production.
    """
    if tagged := version.tags.get(Tag.ROLLED_BACK_AT):
        return tagged
    last = journal.last_alias_move(version.model, CHAMPION, version.version)
    if last is None or last.to_version == version.version:
        return ""
    rollbacks = journal.decisions(version.model, DecisionKind.ROLLBACK, run=last.run)
    return last.moved_at.isoformat() if rollbacks else ""
