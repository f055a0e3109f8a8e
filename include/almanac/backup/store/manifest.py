"""The list of a snapshot's files, and its name. What comes from a store is not trusted before it was read here."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from almanac.backup.store.codec import Codec, Encoded
from almanac.backup.store.keys import Key, KeyRing
from almanac.errors import IntegrityError
from almanac.json_text import parse_json

FORMAT = 1
MAX_MANIFEST_BYTES = 1 << 28
KINDS = ("model", "dataset", "outputs", "database", "checkpoints", "group", "folder")
_TIME = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(r"^([0-9]{8}T[0-9]{6}\.[0-9]{6}Z)-([0-9a-f]{64})$")
_SUBJECT = re.compile(rf"({'|'.join(KINDS)})/[a-z][a-z0-9_]{{0,99}}")
_MAX_PART_BYTES, _MAX_PATH_BYTES = 255, 1024

Fact = JsonValue


def check_path(path: str) -> str:
    """Refuse a path that could lead out of the folder of a restore, or that a terminal or a disk could misread.

    The one check of texts that become paths: those of files are checked when a manifest is read, those in facts by
    `almanac.backup.store.facts`.

    Raises:
        ValueError: it is not plain, relative and of ordinary parts.
    """
    parts = path.split("/")
    hostile = (
        any(part in ("", ".", "..") or len(part.encode("utf-8", "surrogatepass")) > _MAX_PART_BYTES for part in parts)
        or len(path.encode("utf-8", "surrogatepass")) > _MAX_PATH_BYTES
        or "\\" in path
        or re.match(r"^[A-Za-z]:", path) is not None
        or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path)
    )
    if hostile:
        raise ValueError(f"not a plain relative path; got {path!r}. It could lead out of the folder; refused")
    return path


def check_subject(subject: str) -> str:
    """Refuse what is no subject.

    Raises:
        ValueError: it is not `kind/name`.
    """
    if not _SUBJECT.fullmatch(subject):
        raise ValueError(f"not a subject; got {subject!r}, expected kind/name with a kind of {', '.join(KINDS)}")
    return subject


def check_name(name: str) -> str:
    """Refuse what is no name of a manifest.

    Raises:
        ValueError: it is not a time that there is, and a hash.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise ValueError(f"not the name of a snapshot; got {name!r}, expected <time>-<sha256>")
    parse_time(match.group(1))
    return name


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Bytes = Annotated[int, Field(strict=True, ge=0, lt=1 << 63)]
Subject = Annotated[str, AfterValidator(check_subject)]


class _ClosedSection(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_ClosedSection):
    """One file of a snapshot, and the object that holds it."""

    path: Annotated[str, AfterValidator(check_path)]
    size: Bytes
    sha256: Sha256
    stored_size: Bytes
    codec: Codec
    stamp: str = ""

    @property
    def encoded(self) -> Encoded:
        """What its object must hold."""
        return Encoded(self.sha256, self.size, self.stored_size, self.codec)

    @property
    def object_name(self) -> str:
        """Where its object is."""
        return object_name(self.sha256)


class Maker(_ClosedSection):
    """Who or what took the snapshot, and why."""

    dag_id: str = ""
    run_id: str = ""
    started_by: str = ""
    reason: str = ""


class GroupMember(_ClosedSection):
    """A snapshot that belongs to a group."""

    subject: Subject
    name: Annotated[str, AfterValidator(check_name)]

    @property
    def ref(self) -> "Ref":
        """The snapshot."""
        return Ref(self.subject, self.name)


class Manifest(_ClosedSection):
    """One snapshot. `parent` is the name of the subject's manifest before it; see docs/backup-format.md."""

    format: int = FORMAT
    subject: Subject
    created: datetime
    parent: str = ""
    files: tuple[FileEntry, ...] = ()
    content: Sha256
    facts: dict[str, Fact] = Field(default_factory=dict)
    tools: dict[str, str] = Field(default_factory=dict)
    made_by: Maker = Maker()
    members: tuple[GroupMember, ...] = ()

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        paths = [entry.path for entry in self.files]
        if len(set(paths)) != len(paths):
            raise ValueError("a path is listed twice")
        folders = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
        if folders & set(paths):
            raise ValueError(f"a file is also a folder: {min(folders & set(paths))!r}")
        if self.created.tzinfo is None:
            raise ValueError("created has no zone")
        if self.content != content_checksum(self.files):
            raise ValueError("content is not the checksum of the files")
        return self

    @property
    def size(self) -> int:
        """Plain bytes of all files."""
        return sum(entry.size for entry in self.files)

    @property
    def stored_size(self) -> int:
        """Bytes of its objects, each once."""
        return sum({entry.sha256: entry.stored_size for entry in self.files}.values())


@dataclass(frozen=True, order=True)
class Ref:
    """The name of a snapshot: sorts by subject, then by age."""

    subject: str
    name: str

    @property
    def created(self) -> datetime:
        """When it was taken."""
        return parse_time(self.name.split("-", 1)[0])

    @property
    def sha256(self) -> str:
        """Of the manifest's bytes."""
        return self.name.split("-", 1)[1]

    @property
    def path(self) -> str:
        """Where the manifest is."""
        return f"manifests/{self.subject}/{self.name}.json"

    def __str__(self) -> str:
        return f"{self.subject}@{self.name.split('-', 1)[0]}-{self.sha256[:8]}"

    @classmethod
    def parse(cls, path: str) -> "Ref | None":
        """The snapshot of a file below `manifests/`, `forgotten/` or `holds/`; None when it is something else."""
        parts = path.removesuffix(".json").split("/")
        if len(parts) != 4 or not path.endswith(".json"):
            return None
        try:
            return cls(check_subject(f"{parts[1]}/{parts[2]}"), check_name(parts[3]))
        except ValueError:
            return None


def object_name(sha256: str) -> str:
    """Where the content of this hash is kept."""
    return f"objects/{sha256[:2]}/{sha256}"


def format_time(time: datetime) -> str:
    """A time as it stands in names."""
    return time.astimezone(UTC).strftime(_TIME)


def parse_time(text: str) -> datetime:
    """Read a time from a name.

    Raises:
        ValueError: it is none.
    """
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def content_checksum(files: Iterable[FileEntry]) -> str:
    """The checksum of all files: their hashes, sizes and paths, by path."""
    lines = sorted((entry.path, f"{entry.sha256} {entry.size} {entry.path}\n") for entry in files)
    return hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()


def canonical(value: object) -> bytes:
    """JSON of which there is one form only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def write_manifest(manifest: Manifest, key: Key) -> tuple[Ref, bytes]:
    """Sign a manifest: its name and its bytes."""
    body = manifest.model_dump(mode="json") | {"created": format_time(manifest.created)}
    signature = {"key": key.name, "hmac_sha256": key.sign(canonical(body))}
    data = canonical({"body": body, "signature": signature})
    name = f"{format_time(manifest.created)}-{hashlib.sha256(data).hexdigest()}"
    return Ref(manifest.subject, name), data


def read_manifest(ref: Ref, data: bytes, keys: Key | KeyRing | None, *, where: str) -> Manifest:
    """Read a manifest that is exactly what was written under this name.

    Args:
        ref: its name.
        data: its bytes.
        keys: check the signature; None: it is not checked.
        where: the place, for messages.

    Raises:
        IntegrityError: bytes, name, signature or form are not right, or its format is not known.
    """
    place = f"{where}/{ref.path}"
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise IntegrityError(
            f"{place}: damaged: its content does not match its name. Take it from the secondary repository"
        )
    try:
        document = parse_json(data)
        if canonical(document) != data:  # a key that is there twice, NaN, spaces: another reader might read otherwise
            raise ValueError("its JSON is not in canonical form")
        body, signature = document["body"], document["signature"]
        found = body["format"]
        _check_format(found, place)
        if (key_ring := KeyRing.of(keys)) is not None:
            _check_signature(key_ring, ref, body, signature, place)
        manifest = Manifest.model_validate(body | {"created": parse_time(body["created"])})
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError) as error:
        raise IntegrityError(f"{place}: no manifest of this format: {_first_line(error)}. Do not trust it") from error
    if (manifest.subject, format_time(manifest.created)) != (ref.subject, ref.name.split("-", 1)[0]):
        raise IntegrityError(
            f"{place}: was written as {manifest.subject} at {format_time(manifest.created)} and was put here by"
            " somebody else; do not trust it"
        )
    return manifest


def _check_format(found: object, place: str) -> None:
    if type(found) is not int or found != FORMAT:  # True equals 1
        raise IntegrityError(
            f"{place}: unknown format; got {repr(found)[:100]}, expected {FORMAT}. It was written by a later version"
            " of Almanac: use that"
        )


def _check_signature(keys: KeyRing, ref: Ref, body: object, signature: Mapping[str, str], place: str) -> None:
    if keys.has_signed(canonical(body), str(signature["hmac_sha256"]), manifest=ref.sha256):
        return
    named = str(signature["key"])[:16]
    if any(one.key.name == named for one in keys.retired):
        raise IntegrityError(
            f"{place}: the signature is not that of our key; got the retired key {named!r}, which had not signed it"
            f" before it was retired, expected {keys.current.name!r}. It was written by somebody who has the old key:"
            " do not trust it"
        )
    raise IntegrityError(
        f"{place}: the signature is not that of our key; got key {named!r}, expected {keys.current.name!r}. It was"
        " changed, or written with another key: give that key by ALMANAC_BACKUP_KEY"
    )


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        message = f"{type(error).__name__}: {error}"
    return "".join(letter if letter.isprintable() else "?" for letter in message[:300])
