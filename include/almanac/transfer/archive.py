"""The archive of one version: an uncompressed tar whose first member is a signed list of all others, in their order.

Reading it is one rule: the next member is the next one of the list, a regular file of its size and hash, and after the
last one comes nothing. So no path of an archive is ever a path here, nothing is unpacked, nothing is larger than the
list said, and nothing but the list is read before its signature was checked. `docs/between-environments.md` is the
format.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Annotated, Any, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from almanac.backup.store.keys import Key
from almanac.backup.store.manifest import Bytes, Sha256, canonical, check_path
from almanac.config.grammar.types import Slug
from almanac.display import shorten, show
from almanac.errors import ConfigError, IntegrityError
from almanac.json_text import parse_json
from almanac.transfer.signature import has_signed, public_key, sign

FORMAT = 1
HEAD = "almanac-version.json"
MAX_HEAD_BYTES = 1 << 20
MAX_FILES = 2_000  # a program may leave a thousand natives
MAX_BYTES = 1 << 31  # of all files together: they are held in memory
_BLOCK = tarfile.BLOCKSIZE
_ASK = "Ask for another export of the version; import nothing of this file"


class _ClosedPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArchivedFile(_ClosedPart):
    """One member: its name, size in bytes, and hash."""

    path: Annotated[str, AfterValidator(check_path)]
    size: Bytes
    sha256: Sha256


class ArchiveHead(_ClosedPart):
    """What is signed.

    Attributes:
        format: of the archive.
        model, version: the version, as its installation names it.
        exported_at, exported_by: when and who.
        almanac: the release that wrote it.
        files: all other members, in their order.
    """

    format: Literal[1] = 1
    model: Slug
    version: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]
    exported_at: AwareDatetime
    exported_by: Annotated[str, Field(max_length=200)]
    almanac: Annotated[str, Field(max_length=100)]
    files: Annotated[tuple[ArchivedFile, ...], Field(min_length=1, max_length=MAX_FILES)]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        paths = [one.path for one in self.files]
        if len({*paths, HEAD}) != len(paths) + 1:
            raise ValueError("a path is listed twice")
        if sum(one.size for one in self.files) > MAX_BYTES:
            raise ValueError(f"the files are larger than {MAX_BYTES} bytes together")
        return self

    @property
    def title(self) -> str:
        """The version in its own installation."""
        return f"{self.model}@{self.version}"

    @property
    def sha256(self) -> str:
        """The hash of what is signed: it names the archive."""
        return hashlib.sha256(canonical(self.model_dump(mode="json"))).hexdigest()


@dataclass(frozen=True, eq=False)
class SignedArchive:
    """An archive whose signature and bytes are verified.

    Attributes:
        head: what was signed.
        files: the content by path.
        key_name: under which name the key is trusted here.
    """

    head: ArchiveHead
    files: Mapping[str, bytes]
    key_name: str


def write_archive(path: Path, files: Mapping[str, bytes], key: Key, *, now: datetime, **facts: str) -> ArchiveHead:
    """Sign and write an archive; a killed writer leaves no file of this name.

    Args:
        path: must not exist.
        files: content by path.
        key: of this installation.
        now: aware.
        facts: `model`, `version`, `exported_by`, `almanac`.

    Raises:
        ConfigError: the file exists or cannot be written, or the version has more, larger or other files than an
            archive holds.
    """
    listed = tuple(
        ArchivedFile(path=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())
        for name, content in files.items()
    )
    try:
        head = ArchiveHead.model_validate({**facts, "exported_at": now, "files": listed})
    except ValidationError as error:
        raise ConfigError(f"{path}: the version cannot be exported: {_first_fault(error)}") from error
    if path.exists():
        raise ConfigError(f"{path}: exists already; name another file, or remove this one")
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as stream:
            write_members(stream, signed_head(head, key), files, now)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error}. Name a file in a folder where you may write") from error
    except ValueError as error:  # tar: a name that does not fit
        raise ConfigError(f"{path}: the version cannot be exported: {error}. Give the file a shorter name") from error
    finally:
        partial.unlink(missing_ok=True)
    return head


def signed_head(head: ArchiveHead, key: Key) -> bytes:
    """The first member's bytes."""
    body = head.model_dump(mode="json")
    return canonical({"body": body, "signature": {"key": public_key(key), "ed25519": sign(key, canonical(body))}})


def write_members(stream: IO[bytes], head: bytes, files: Mapping[str, bytes], now: datetime) -> None:
    """Write the tar: the head, then the files in their order."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in {HEAD: head, **files}.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), int(now.timestamp()), 0o644
            tar.addfile(member, io.BytesIO(content))


def read_archive(path: Path, trusted: Mapping[str, str]) -> SignedArchive:
    """Read an archive that a trusted installation has signed, and nothing else.

    Args:
        path: of the file.
        trusted: names by public key; see `almanac.transfer.signature.trusted_keys`.

    Raises:
        ConfigError: there is no such file.
        IntegrityError: it is not an archive of this format, its key is not trusted, or a byte is not what was signed.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no file; expected what `almanac export` has written")
    with path.open("rb") as stream:
        head, key_name = _read_head(_read_member(stream, HEAD, None, str(path)), trusted, str(path))
        files = {one.path: _read_file(stream, one, str(path)) for one in head.files}
        if any(stream.read(tarfile.RECORDSIZE + 1)):
            raise IntegrityError(f"{path}: holds more than its signed list names. {_ASK}")
    return SignedArchive(head, files, key_name)


def _read_file(stream: IO[bytes], listed: ArchivedFile, where: str) -> bytes:
    content = _read_member(stream, listed.path, listed.size, where)
    if (got := hashlib.sha256(content).hexdigest()) != listed.sha256:
        raise IntegrityError(
            f"{where}: {listed.path}: the bytes are not what was signed; got SHA-256 {got}, expected"
            f" {listed.sha256}. {_ASK}"
        )
    return content


def _read_member(stream: IO[bytes], name: str, size: int | None, where: str) -> bytes:
    """The content of the next member, which must be a regular file of this name and size; None: a bounded size."""
    try:
        member = tarfile.TarInfo.frombuf(stream.read(_BLOCK), "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise IntegrityError(
            f"{where}: no archive of `almanac export`, or cut off before {name}: {error}. {_ASK}"
        ) from error
    if (member.name, member.type) != (name, tarfile.REGTYPE):
        raise IntegrityError(
            f"{where}: the next member is {show(member.name)} of type {show(member.type)}, expected the regular file"
            f" {name!r}. {_ASK}"
        )
    if not 0 <= member.size <= MAX_HEAD_BYTES if size is None else member.size != size:
        expected = f"at most {MAX_HEAD_BYTES}" if size is None else size
        raise IntegrityError(f"{where}: {name}: has {member.size} bytes, expected {expected}. {_ASK}")
    content = stream.read(member.size)
    stream.read(-member.size % _BLOCK)
    if len(content) != member.size:
        raise IntegrityError(f"{where}: {name}: is cut off after {len(content)} of {member.size} bytes. {_ASK}")
    return content


def _read_head(raw: bytes, trusted: Mapping[str, str], where: str) -> tuple[ArchiveHead, str]:
    """The list of files, and the name of the key that has signed it; its fields are read after its signature."""
    try:
        document = parse_json(raw)
        if canonical(document) != raw:  # a key that is there twice: another reader might read otherwise
            raise ValueError("its JSON is not in canonical form")
        body, public, signature = _parts(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IntegrityError(f"{where}: {HEAD}: not a signed list: {shorten(str(error), 200)}. {_ASK}") from error
    if public not in trusted:
        raise IntegrityError(
            f"{where}: signed by a key that this installation does not trust; got {show(public)}, trusted are"
            f" {sorted(trusted.values())}. If it is the key of an installation of yours (`almanac key public` there"
            " prints it), declare it under trusted_origins of _installation.yaml"
        )
    if not has_signed(public, canonical(body), signature):
        raise IntegrityError(
            f"{where}: {HEAD}: the signature is not that of the key {trusted[public]!r}: it was changed. {_ASK}"
        )
    if type(found := body.get("format")) is not int or found != FORMAT:
        raise IntegrityError(
            f"{where}: unknown format; got {show(found)}, expected {FORMAT}. A later Almanac wrote it: upgrade this"
            " installation first"
        )
    try:
        return ArchiveHead.model_validate(body), trusted[public]
    except ValidationError as error:
        raise IntegrityError(f"{where}: {HEAD}: {_first_fault(error)}. {_ASK}") from error


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{shorten('.'.join(map(str, first['loc'])), 100)}: {shorten(first['msg'], 200)}"


def _parts(document: Any) -> tuple[dict[str, Any], str, str]:
    body, signature = document["body"], document["signature"]
    found = body, signature["key"], signature["ed25519"]
    if not (isinstance(body, dict) and isinstance(found[1], str) and isinstance(found[2], str)):
        raise TypeError("body or signature is of another type")
    return found
