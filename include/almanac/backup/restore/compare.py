"""Compares what came back with what the journal and the registry name: batches, dataset versions, model versions.

A snapshot is whole when its bytes are; an installation is whole when its parts know the same. Databases that are older
than the data, or the reverse, show here.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from almanac.backup.installation import databases, exists
from almanac.backup.store.facts import is_model, model_facts, table_facts
from almanac.backup.store.manifest import Manifest
from almanac.backup.subjects.sqlite import registered_versions
from almanac.config.home import Home
from almanac.config.location import sqlite_url
from almanac.data.table.commit_record import batches_in
from almanac.data.table.delta_table import open_table
from almanac.errors import AlmanacError, DataError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchRecord, BatchState
from almanac.journal.upgrade import upgrade_journal
from almanac.registry.records import CHAMPION, ModelVersion, foreign_words
from almanac.training.passport import load_passport

if TYPE_CHECKING:
    from almanac.registry.store import Registry

_ALL = 10_000_000
_SHOWN = 3


@dataclass(frozen=True)
class Difference:
    """Something that one part knows and another does not hold.

    Attributes:
        text: in words, with what to do.
        lost: whether something is missing; else it only deserves to be known.
    """

    text: str
    lost: bool = True

    @property
    def words(self) -> str:
        """One line for people."""
        return f"{'DIFFERS' if self.lost else 'note   '}  {self.text}"


def compare(home: Home, registry: "Registry", models: Collection[str]) -> list[Difference]:
    """What journal and registry name, and what is there of it, for each model.

    Args:
        home: its places; a journal or a registry that does not exist is not made, and not compared with.
        registry: MLflow.
        models: whose.
    """
    journal = Journal(home.journal_url) if exists(databases(home)["journal"]) else None
    known = _has_registry(home, registry)
    found: list[Difference] = []
    if journal is None:
        found.append(Difference("there is no journal here, so the published batches are unknown", lost=False))
    if not known:
        found.append(Difference("MLflow has no database here, so the model versions are unknown", lost=False))
    for model in sorted(models):
        with _reported(found, f"{model}: could not be compared"):
            versions = registry.versions(model) if known else []
            sharing = registry.versions_joining(model) if known else []
            on = [one for one in [*versions, *sharing] if one.dataset_owner == model]
            found += _of_dataset(home.dataset_of(model), model, journal, on)
            found += _of_versions(registry, model, versions)
            found += [Difference(foreign_words(one), lost=False) for one in (registry.foreign(model) if known else [])]
            if journal is not None and known:
                found += _of_aliases(registry, model, journal)
    return found


def compare_folder(folders: Mapping[str, Path], manifests: Mapping[str, Manifest], home: Home) -> list[Difference]:
    """The same of what was restored to folders: with the databases of the same group, else with the home's journal.

    Args:
        folders: of each snapshot, by any name.
        manifests: theirs.
        home: whose journal is asked, if the group has none.
    """
    of = {manifest.subject: folders[name] for name, manifest in manifests.items()}
    found: list[Difference] = []
    with TemporaryDirectory(prefix="almanac-compare-") as scratch, _reported(found, "could not be compared"):
        journal = _journal(of.get("database/journal"), home, Path(scratch))
        for subject, folder in of.items():
            kind, _, name = subject.partition("/")
            if kind == "dataset" and journal is not None:
                found += _of_dataset(str(folder), name, journal, ())
        database = of.get("database/mlflow", Path(scratch)) / "mlflow.db"
        if database.is_file():
            found += _of_group(database, list(manifests.values()))
    return found


def _journal(folder: Path | None, home: Home, scratch: Path) -> Journal | None:
    """A copy of the restored one, upgraded, because an older release may have written it; else that of the home."""
    if folder is not None and (folder / "journal.db").is_file():
        url = sqlite_url(shutil.copyfile(folder / "journal.db", scratch / "journal.db"))
        upgrade_journal(url, back_up=lambda: None)
        return Journal(url)
    return Journal(home.journal_url) if exists(databases(home)["journal"]) else None


def _of_group(database: Path, manifests: Sequence[Manifest]) -> Iterator[Difference]:
    """Whether the snapshots of a group hold each version that its MLflow names, and its rows."""
    facts = {
        (manifest.subject.partition("/")[2], found.version): found
        for manifest in manifests
        if is_model(manifest)
        for found in [model_facts(manifest)]
    }
    models = {name for name, _ in facts} | {
        manifest.subject.partition("/")[2] for manifest in manifests if manifest.subject.startswith("dataset/")
    }
    for name, version in sorted(registered_versions(database) - facts.keys()):
        if name in models:
            yield Difference(f"{name}@{version}: MLflow's database names it, and the group holds no snapshot of it")
    for manifest in manifests:
        kind, _, model = manifest.subject.partition("/")
        if kind == "dataset":
            newest = table_facts(manifest.facts, manifest.subject).delta_version
            for (name, version), found in sorted(facts.items()):
                if (found.dataset_of or name) == model and found.dataset_version > newest:
                    yield Difference(
                        f"{name}@{version}: was trained on version {found.dataset_version} of the dataset, whose"
                        f" snapshot ends at {newest}: it can be served, but not rebuilt"
                    )


def _has_registry(home: Home, registry: "Registry") -> bool:
    asked = registry.tracking_uri.startswith(("http://", "https://"))
    return asked or exists(databases(home)["mlflow"])


@contextmanager
def _reported(found: list[Difference], what: str) -> Iterator[None]:
    """What cannot be compared is a difference, too: its state is unknown."""
    try:
        yield
    except AlmanacError as error:
        found.append(Difference(f"{what}: {error}"))


def _of_dataset(
    uri: str, model: str, journal: Journal | None, versions: Sequence[ModelVersion]
) -> Iterator[Difference]:
    rows = [] if journal is None else journal.batches(model, limit=_ALL)
    published = [row for row in rows if row.state is BatchState.PUBLISHED]
    table = open_table(uri)
    if table is None:
        if published or versions:
            yield Difference(
                f"{uri}: there is no table; the journal knows {len(published)} published batches and the registry"
                f" {len(versions)} versions that were trained on it. Restore dataset/{model}"
            )
        return
    yield from _of_batches(uri, table, published, with_journal=journal is not None)
    yield from _of_training_rows(uri, table, versions)


def _of_batches(uri: str, table: Any, published: Sequence[BatchRecord], *, with_journal: bool) -> Iterator[Difference]:
    missing = [row for row in published if table.transaction_version(row.batch_id) is None]
    if missing:
        yield Difference(
            f"{uri}: ends at version {table.version()} and lacks {len(missing)} batches with"
            f" {sum(row.rows_published for row in missing)} rows that the journal records as published: the dataset"
            f" is older than the journal. Let their files land again: {_some(row.uri for row in missing)}"
        )
    known = {row.batch_id for row in published}
    unknown = [row for row in batches_in(table) if row.batch_id not in known] if with_journal else []
    if unknown:
        yield Difference(
            f"{uri}: holds {len(unknown)} batches that the journal does not know: the journal is older than the"
            f" dataset. No row is lost, and none will be published twice: {_some(row.uri for row in unknown)}",
            lost=False,
        )


def _of_training_rows(uri: str, table: Any, versions: Sequence[ModelVersion]) -> Iterator[Difference]:
    from almanac.backup.subjects.delta import delta_files

    newest = int(table.version())
    ahead = [version for version in versions if version.dataset_version > newest]
    if ahead:
        yield Difference(
            f"{uri}: ends at version {newest}; {_names(ahead)} were trained on later ones: the dataset is older than"
            " the registry. They can be served, but not rebuilt. Restore a newer snapshot of the dataset"
        )
    readable = {version.dataset_version for version in versions if version.dataset_version <= newest}
    try:
        delta_files(uri, readable=readable)
    except DataError as error:
        yield Difference(f"{error}. The versions that were trained on them cannot be rebuilt")


def _of_versions(registry: "Registry", model: str, versions: Sequence[ModelVersion]) -> Iterator[Difference]:
    for version in versions:
        for read in _reads(registry):
            try:
                read(version)
            except AlmanacError as error:
                yield Difference(
                    f"{model}@{version.version}: the registry names it, and it cannot be read: {error}. Restore"
                    f" model/{model} of that version: ./almanac list model/{model}"
                )
                break


def _reads(registry: "Registry") -> tuple[Callable[[ModelVersion], object], ...]:
    return registry.load_onnx, partial(load_passport, registry)


def _of_aliases(registry: "Registry", model: str, journal: Journal) -> Iterator[Difference]:
    moves = [move for move in journal.alias_moves(model) if move.alias == CHAMPION]
    now = registry.aliases(model).get(CHAMPION, "")
    if moves and moves[0].to_version != now:
        yield Difference(
            f"{model}: champion is version {now or 'none'} in MLflow, and {moves[0].to_version} in the journal since"
            f" {moves[0].moved_at:%Y-%m-%d %H:%M} UTC: they are of different times. Decide which one is right:"
            f" ./almanac promote {model}@VERSION --reason ..."
        )


def _names(versions: Sequence[ModelVersion]) -> str:
    return _some(f"{one.model}@{one.version} (on {one.dataset_version})" for one in versions)


def _some(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(every[:_SHOWN]) + more
