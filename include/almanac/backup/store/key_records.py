"""What a repository says about its keys: which one is in force, and which ones were, sealed by the one in force.

`keys/00001.json` is written when the first snapshot is taken, the next one by each rotation; the newest counts. See
docs/backup-format.md.
"""

import base64
import binascii
import hashlib
import logging
import secrets
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from almanac.backup.store.keys import Key, KeyRing, RetiredKey
from almanac.backup.store.manifest import MAX_MANIFEST_BYTES, Ref, Sha256, canonical
from almanac.backup.store.port import Store
from almanac.errors import ConfigError, IntegrityError
from almanac.json_text import parse_json

log = logging.getLogger(__name__)

FOLDER = "keys"
_PURPOSE = "almanac retired key 1"
_NONCE_BYTES = 12

KeyName = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class _ClosedRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Retired(_ClosedRecord):
    """A key that was in force before.

    Attributes:
        key: its name.
        sealed: the key itself, encrypted with the one in force, base64; empty when it was lost.
        manifests: SHA-256 of those that it had signed.
    """

    key: KeyName
    sealed: str = ""
    manifests: tuple[Sha256, ...] = ()


class KeyRecord(_ClosedRecord):
    """Which key is in force since when, who wanted it so, and the keys before it."""

    format: Literal[1] = 1
    number: Annotated[int, Field(ge=1)]
    key: KeyName
    since: datetime
    by: str = ""
    reason: str = ""
    retired: tuple[Retired, ...] = ()


def newest_record(store: Store) -> tuple[KeyRecord, str] | None:
    """The record that counts and its signature, which nobody has checked yet; None in a repository without.

    Raises:
        IntegrityError: it cannot be read as one.
    """
    names = sorted(entry.name for entry in store.list(FOLDER))
    if not names:
        return None
    try:
        document = parse_json(store.read(names[-1], limit=MAX_MANIFEST_BYTES).data)
        record = KeyRecord.model_validate(document["body"])
        if _name(record.number) != names[-1]:
            raise ValueError(f"holds the record number {record.number}")
        return record, str(document["hmac_sha256"])
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError, FileNotFoundError) as error:
        raise IntegrityError(
            f"{store.uri}/{names[-1]}: damaged: {type(error).__name__}; expected the record of the repository's key."
            " Take the file from the secondary repository"
        ) from error


def write_record(store: Store, record: KeyRecord, key: Key) -> bool:
    """Write a record if there is none of this number; say whether it was written."""
    body = record.model_dump(mode="json")
    return store.create(_name(record.number), canonical({"body": body, "hmac_sha256": key.sign(canonical(body))}))


def ring_of(store: Store, key: Key, older: Sequence[Key] = ()) -> KeyRing:
    """What a repository's content is read with; a damaged record costs the retired keys that it holds, no more.

    Args:
        store: the repository.
        key: the installation's.
        older: those that the installation had before.
    """
    given = KeyRing(key, tuple(RetiredKey(one) for one in older))
    try:
        found = newest_record(store)
        owner = None if found is None else _owner(found[0], given.keys)
        if found is None or owner is None:
            return given
        return _opened(store, *found, owner, given.keys)
    except IntegrityError as error:
        log.warning("snapshots that a retired key signed may be refused: %s", error)
        return given


def claim(store: Store, key: Key, older: Sequence[Key] = (), *, by: str = "", like: Store | None = None) -> None:
    """Before something is written: the repository's key must be ours. The first to ask, whose it is.

    A repository that was made before there were records goes by the key of its newest manifest.

    Args:
        store: the repository; its lock is held.
        key: the installation's key.
        older: those that the installation had before.
        by: who, for the first record.
        like: where this one's snapshots come from; an empty repository takes over its keys.

    Raises:
        ConfigError: it is another repository's key.
        IntegrityError: the record is damaged, or somebody without the key has written it.
    """
    found = newest_record(store)
    if found is None:
        signer = _newest_signer(store, KeyRing(key, tuple(RetiredKey(one) for one in older)))
        if signer not in ("", key.name):
            raise ConfigError(_of_another_key(store, signer, key, older))
        if signer or not (like and _copy_newest(like, store)):
            first = KeyRecord(number=1, key=key.name, since=datetime.now(UTC), by=by, reason="the first snapshot")
            write_record(store, first, key)
        found = newest_record(store)
    if found is None or found[0].key != key.name:
        raise ConfigError(_of_another_key(store, found[0].key if found else "none", key, older))
    _opened(store, *found, key, ())


def seal(retired: Key, key: Key) -> str:
    """A retired key, encrypted with the one in force."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    cipher = AESGCM(key.of_object(_PURPOSE, b""))
    return base64.b64encode(nonce + cipher.encrypt(nonce, retired.master, retired.name.encode())).decode()


def signed_by(store: Store, refs: Collection[Ref], keys: KeyRing) -> Iterator[tuple[str, str]]:
    """The SHA-256 of each manifest whose signature is right, and the name of the key that it is of."""
    for ref in refs:
        if name := _signer(store, ref, keys):
            yield ref.sha256, name


def refs_of(store: Store) -> list[Ref]:
    """All manifests that lie here, also those that were forgotten, the newest first."""
    parsed = (Ref.parse(entry.name) for entry in store.list("manifests"))
    return sorted((ref for ref in parsed if ref), key=lambda ref: ref.name, reverse=True)


def _opened(store: Store, record: KeyRecord, signature: str, owner: Key, given: Sequence[Key]) -> KeyRing:
    """The keys of a record that `owner` has signed; those of `given` that it does not name open objects only."""
    from cryptography.exceptions import InvalidTag

    where = f"{store.uri}/{_name(record.number)}"
    if not owner.has_signed(canonical(record.model_dump(mode="json")), signature):
        raise IntegrityError(
            f"{where}: names our key {owner.name}, but that key did not sign it: it was changed, or written by"
            " somebody else. Take the file from the secondary repository"
        )
    try:
        retired = [RetiredKey(_unseal(one, owner), frozenset(one.manifests)) for one in record.retired if one.sealed]
    except (InvalidTag, ValueError, binascii.Error) as error:
        raise IntegrityError(
            f"{where}: a retired key cannot be opened; take the file from the secondary repository"
        ) from error
    known = {owner.name, *(one.key.name for one in retired)}
    others = [RetiredKey(one, frozenset()) for one in given if one.name not in known]
    return KeyRing(owner, (*retired, *others))


def _unseal(one: Retired, key: Key) -> Key:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    sealed = base64.b64decode(one.sealed, validate=True)
    cipher = AESGCM(key.of_object(_PURPOSE, b""))
    return Key(cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], one.key.encode()))


def _owner(record: KeyRecord, keys: Sequence[Key]) -> Key | None:
    return next((key for key in keys if key.name == record.key), None)


def _newest_signer(store: Store, keys: KeyRing) -> str:
    """The name of the key of the newest intact manifest; empty where there is none."""
    return next((name for name in (_signer(store, ref, keys) for ref in refs_of(store)) if name), "")


def _signer(store: Store, ref: Ref, keys: KeyRing) -> str:
    """Whose signature a manifest carries; empty when it is damaged, or not signed by the key of ours that it names."""
    try:
        data = store.read(ref.path, limit=MAX_MANIFEST_BYTES).data
        if hashlib.sha256(data).hexdigest() != ref.sha256:
            return ""
        document = parse_json(data)
        named, signature = str(document["signature"]["key"]), str(document["signature"]["hmac_sha256"])
        ours = any(key.name == named for key in keys.keys)
        if ours and not keys.has_signed(canonical(document["body"]), signature, manifest=ref.sha256):
            return ""
        return named[:16]
    except (ValueError, KeyError, TypeError, RecursionError, FileNotFoundError, IntegrityError):
        return ""


def _copy_newest(source: Store, target: Store) -> bool:
    names = sorted(entry.name for entry in source.list(FOLDER))
    return bool(names) and target.create(names[-1], source.read(names[-1], limit=MAX_MANIFEST_BYTES).data)


def _of_another_key(store: Store, theirs: str, key: Key, older: Sequence[Key]) -> str:
    message = f"{store.uri}: this repository has another key; got {key.name}, expected {theirs}. "
    if any(one.name == theirs for one in older):
        return message + "A rotation of the key is unfinished: run almanac key rotate again. Nothing was written"
    return message + (
        "A snapshot with another key could not be restored with the right one, so nothing was written. Give the right"
        " key (ALMANAC_BACKUP_KEY, the connection almanac_backup, or secrets/backup.key of the home); to change the"
        " key: almanac key rotate. See docs/operations.md"
    )


def _name(number: int) -> str:
    return f"{FOLDER}/{number:05}.json"
