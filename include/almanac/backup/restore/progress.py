"""Progress of a restore, recorded on disk before and after each step: a killed restore continues.

It lies in the home, or beside what is restored to a folder; never in a database that is being restored.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from almanac.backup.store.manifest import Ref, canonical
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.storage.files import remove, write_bytes
from almanac.storage.local_files import open_regular


class Step(StrEnum):
    """How far a snapshot is."""

    BEGUN = "begun"  # files beside their places may be half
    STAGED = "staged"  # whole, and beside their places or in them
    DONE = "done"  # in their places, and verified


@dataclass(frozen=True)
class RestoreMember:
    """One snapshot of a restore.

    Attributes:
        step: how far it is.
        staged: of each place of this machine: the name under which its content lies until it is put there.
        said: where it is, in words.
    """

    step: Step
    staged: Mapping[str, str] = field(default_factory=dict)
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Record:
    format: int
    snapshot: str
    begun: datetime
    members: dict[str, RestoreMember]


_READER = TypeAdapter(_Record)


class RestoreProgress:
    """The record of one restore.

    Args:
        path: where it is kept.
        ref: what is restored.
        now: when it begins, if there is no record yet.

    Raises:
        ConfigError: there is a record that cannot be read.
    """

    def __init__(self, path: Path, ref: Ref, *, now: datetime) -> None:
        self.path = path
        self.begun = now
        self._ref = ref
        self._members: dict[str, RestoreMember] = {}
        if found := _read(path):
            if found.snapshot != _name(ref):
                raise ConfigError(
                    f"{path}: an unfinished restore of {found.snapshot} is there; got {_name(ref)}. Finish"
                    " that one first, or give another folder"
                )
            self.begun, self._members = found.begun, found.members

    @classmethod
    def of(cls, home: Home, ref: Ref, *, now: datetime) -> Self:
        """That of a restore to the live locations of a home."""
        return cls(record_file(home, ref), ref, now=now)

    @property
    def members(self) -> Mapping[str, RestoreMember]:
        """All that were begun, by `subject@name`."""
        return self._members

    def member(self, ref: Ref) -> RestoreMember | None:
        """How far a snapshot is; None: not begun."""
        return self._members.get(_name(ref))

    def set(self, ref: Ref, member: RestoreMember) -> None:
        """Keep how far a snapshot is, durably.

        Raises:
            TransientError: the disk is full or away.
        """
        self._members[_name(ref)] = member
        self._write()

    def end(self) -> None:
        """All of it is in place: the record goes."""
        remove(str(self.path))

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        members = {name: asdict(member) for name, member in self._members.items()}
        record = {"format": 1, "snapshot": _name(self._ref), "begun": self.begun.isoformat(), "members": members}
        write_bytes(str(self.path), canonical(record))


def record_file(home: Home, ref: Ref) -> Path:
    """Where the record of a restore to the live locations is kept."""
    return _folder(home) / f"{ref.subject.replace('/', '-')}@{ref.name}.json"


def unfinished(home: Home) -> list[str]:
    """The restores to the live locations that have not come to their end, in words."""
    return [
        f"{found.snapshot}, since {found.begun:%Y-%m-%d %H:%M} UTC"
        for path in sorted(_folder(home).glob("*.json"))
        if (found := _read(path))
    ]


def _folder(home: Home) -> Path:
    return home.home / "restores"


def _name(ref: Ref) -> str:
    return f"{ref.subject}@{ref.name}"


def _read(path: Path) -> _Record | None:
    try:
        with open_regular(path) as stream:
            return _READER.validate_json(stream.read())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {str(error).splitlines()[0]}. It records how far a restore is; remove it to start"
            " that restore again"
        ) from error
