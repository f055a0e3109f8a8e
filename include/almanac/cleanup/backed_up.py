"""What the newest snapshot of a model's outputs holds: only that may go."""

from collections.abc import Collection
from dataclasses import dataclass

from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import BackupRepository

NOT_BACKED_UP = "in no snapshot yet"


@dataclass(frozen=True)
class BackedUp:
    """Paths and sizes of the newest snapshot's files; `asked` False: nobody wants to know."""

    files: frozenset[tuple[str, int]]
    asked: bool = True

    def need(self, files: Collection[tuple[str, int]]) -> tuple[str, ...]:
        """Why they must stay: because one of them is in no snapshot."""
        return () if not self.asked or self.files.issuperset(files) else (NOT_BACKED_UP,)


def backed_up(repository: BackupRepository, model: str, *, asked: bool = True) -> BackedUp:
    """What the newest snapshot of `outputs/<model>` holds; nothing before the first one.

    Raises:
        IntegrityError: its manifest is damaged; so nothing may go.
        TransientError: the repository is unreachable.
    """
    catalogue = Catalogue(repository)
    newest = catalogue.newest(f"outputs/{model}") if asked else None
    files = () if newest is None else catalogue.read(newest).files
    return BackedUp(frozenset((entry.path, entry.size) for entry in files), asked)
