"""What snapshots and model versions know of a table, for a journal that was lost and whose marks are rebuilt.

A mark in the journal is never behind them, unless a loss was accepted since: then theirs are outdated.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from almanac.backup.snapshot.live_files import Subject
from almanac.backup.store.repository import BackupRepository
from almanac.config.home import Home
from almanac.data.table.delta_log import commit_file
from almanac.data.table.maintenance import NeededVersions
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.journal.table_marks import TableMark, TableMarks

_NAMES = {"": "dataset", "predictions/": "predictions", "quarantine/rows/": "quarantine"}


def raise_marks(
    home: Home, repository: BackupRepository, model: str, journal: Journal, registry: NeededVersions | None
) -> list[str]:
    """Write the marks of a model's tables up to what newest snapshots and passports know; say which were raised.

    Args:
        home: where the tables are.
        repository: has the snapshots.
        model: whose tables.
        journal: has the marks.
        registry: knows on which dataset versions model versions were trained; None: it is not asked.

    Raises:
        IntegrityError: a manifest is damaged.
        TransientError: a store, the registry or the journal is unreachable.
    """
    marks, raised = TableMarks(journal), []
    accepted: dict[str, datetime] = {}
    for decision in journal.decisions(model, DecisionKind.LOSS):  # the newest first
        accepted.setdefault(decision.subject, decision.decided_at)
    known = [*_snapshots(home, repository, model), *_passports(model, registry)]
    for witness in known:
        mark, since = marks.find(witness.name), accepted.get(witness.name)
        if (since is not None and since >= witness.marked_at) or (mark is not None and mark.version >= witness.version):
            continue
        marks.replace(witness.name, witness)
        raised.append(f"{witness.name}: at least version {witness.version}, which {witness.source} knows")
    return raised


def _snapshots(home: Home, repository: BackupRepository, model: str) -> Iterator[TableMark]:
    for kind in ("dataset", "outputs"):
        subject = Subject(home, repository, f"{kind}/{model}", newest_only=True)
        if not subject.manifests:
            continue
        manifest = subject.manifests[0]
        hashes = {entry.path: entry.sha256 for entry in manifest.files}
        for prefix in subject.tables():
            facts = manifest.facts if not prefix else manifest.facts.get(prefix.rstrip("/"))
            version = facts.get("delta_version") if isinstance(facts, dict) else None
            if isinstance(version, int) and prefix in _NAMES:  # tables of results have no mark: runs make them again
                sha256 = hashes.get(f"{prefix}{commit_file(version)}", "")
                source = f"a snapshot of {manifest.subject}"
                yield TableMark(f"{_NAMES[prefix]}/{model}", "", version, sha256, source, manifest.created)


def _passports(model: str, registry: NeededVersions | None) -> Iterator[TableMark]:
    for version in [*registry.versions(model), *registry.versions_joining(model)] if registry is not None else ():
        if version.dataset_owner != model:  # of what is joined no table would be older than its owner's passports
            continue
        made_at = version.created_at or datetime.fromtimestamp(0, UTC)
        source = f"the passport of {version.model}@{version.version}"
        yield TableMark(f"dataset/{model}", "", version.dataset_version, "", source, made_at)
