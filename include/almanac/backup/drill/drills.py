"""Results of drills, kept beside the snapshots in the repository."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from secrets import token_hex

from almanac.backup.store.manifest import Ref, canonical, check_subject, format_time
from almanac.backup.store.repository import BackupRepository
from almanac.json_text import parse_json

DISASTER = "disaster/all"  # the subject of the drill in which the whole machine is lost
_FOLDER = "drills"
_MAX_BYTES = 1 << 20
_LOOK_BACK = 500


@dataclass(frozen=True)
class DrillResult:
    """One snapshot that was restored and used, or was not.

    Attributes:
        subject: whose.
        snapshot: the manifest's name.
        level: how far it came, of the levels of `almanac.backup.snapshot.verify`; 6: an installation worked with it.
        passed: whether it came to the end.
        said: what was seen, or what was wrong.
        at: when it began.
        duration_s: how long the restore and its use took (RTO).
        age_s: how old the subject's newest snapshot was then (RPO).
        place: from where.
        meant_to_fail: a damaged copy, of which `passed` says that it was refused.
    """

    subject: str
    snapshot: str
    level: int
    passed: bool
    said: tuple[str, ...]
    at: datetime
    duration_s: float
    age_s: float
    place: str
    meant_to_fail: bool = False

    @property
    def ref(self) -> Ref:
        """The snapshot."""
        return Ref(self.subject, self.snapshot)


def record(repository: BackupRepository, result: DrillResult) -> None:
    """Keep a result."""
    name = f"{_FOLDER}/{format_time(result.at)}-{token_hex(4)}.json"
    repository.store.create(name, canonical(asdict(result) | {"at": result.at.isoformat()}))


def results(repository: BackupRepository) -> tuple[DrillResult, ...]:
    """The newest results, newest first; what cannot be read counts as no drill."""
    names = sorted((entry.name for entry in repository.store.list(_FOLDER)), reverse=True)[:_LOOK_BACK]
    return tuple(_results(repository, names))


def last_good(repository: BackupRepository) -> tuple[DrillResult, ...]:
    """The newest good result of each subject."""
    newest: dict[str, DrillResult] = {}
    for result in results(repository):
        if result.passed and not result.meant_to_fail:
            newest.setdefault(result.subject, result)
    return tuple(newest.values())


def _results(repository: BackupRepository, names: Iterable[str]) -> Iterable[DrillResult]:
    for name in names:
        try:
            found = parse_json(repository.store.read(name, limit=_MAX_BYTES).data)
            lines, at = tuple(map(str, found["said"])), datetime.fromisoformat(found["at"])
            if at.tzinfo is None:
                continue
            subject = found["subject"] if found["subject"] == DISASTER else check_subject(found["subject"])
            yield DrillResult(**found | {"at": at, "said": lines, "subject": subject})
        except (ValueError, KeyError, TypeError, FileNotFoundError):
            continue
