"""The keys of a backup repository, kept apart from it: they sign manifests and, if declared, encrypt objects."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from almanac.config.connection import find_connection
from almanac.config.credentials import private_folder, write_private
from almanac.config.home import Home
from almanac.errors import ConfigError

VARIABLE = "ALMANAC_BACKUP_KEY"
CONNECTION = "almanac_backup"  # of Airflow, whose password is the key
_SIGNING = b"almanac backup signing 1"
_OBJECT = b"almanac backup object 1 "
_ARCHIVES = b"almanac archive signing 1"
_SIZE = 32


@dataclass(frozen=True)
class Key:
    """32 random bytes, from which all others are derived; hidden from `repr`."""

    master: bytes = field(repr=False)

    @classmethod
    def new(cls) -> "Key":
        """Draw a key."""
        return cls(secrets.token_bytes(_SIZE))

    @classmethod
    def parse(cls, text: str, where: str) -> "Key":
        """Read a key as `text` writes it.

        Raises:
            ConfigError: it is none.
        """
        try:
            master = base64.b64decode(text.strip(), validate=True)
        except binascii.Error:
            master = b""
        if len(master) != _SIZE:
            raise ConfigError(
                f"{where}: not a backup key; got {len(text.strip())} characters, expected {_SIZE} bytes in base64"
                " (44 characters). Put the right key back: the snapshots that it signed need it."
            )
        return cls(master)

    @property
    def text(self) -> str:
        """The key in base64, to be kept in a safe place."""
        return base64.b64encode(self.master).decode()

    @property
    def name(self) -> str:
        """Tells keys apart without giving them away."""
        return hashlib.sha256(self._derive(_SIGNING, b"")).hexdigest()[:16]

    def sign(self, content: bytes) -> str:
        """HMAC-SHA256 in hexadecimal."""
        return hmac.new(self._derive(_SIGNING, b""), content, hashlib.sha256).hexdigest()

    def has_signed(self, content: bytes, signature: str) -> bool:
        """Whether the signature is ours; takes the same time whatever the answer."""
        return hmac.compare_digest(self.sign(content).encode(), signature.encode())

    def of_object(self, sha256: str, salt: bytes) -> bytes:
        """The key of one object's AES."""
        return self._derive(_OBJECT + sha256.encode(), salt)

    def of_archives(self) -> bytes:
        """The seed of the Ed25519 key that signs exported versions; its public half may be given to anybody."""
        return self._derive(_ARCHIVES, b"")

    def _derive(self, purpose: bytes, salt: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), _SIZE, salt or None, purpose).derive(self.master)


@dataclass(frozen=True)
class RetiredKey:
    """A key that signs nothing more.

    Attributes:
        key: opens what it has encrypted.
        manifests: SHA-256 of the manifests that it had signed when it was retired; another one with its signature was
            made by somebody who should no longer have it. None: nobody has recorded which.
    """

    key: Key
    manifests: frozenset[str] | None = None


@dataclass(frozen=True)
class KeyRing:
    """What a repository's content is read with: the key in force, and the retired ones."""

    current: Key
    retired: tuple[RetiredKey, ...] = ()

    @classmethod
    def of(cls, keys: "Key | KeyRing | None") -> "KeyRing | None":
        """A single key as a `KeyRing`."""
        return cls(keys) if isinstance(keys, Key) else keys

    @property
    def keys(self) -> tuple[Key, ...]:
        """Those that may open an object, the likeliest first."""
        return (self.current, *(one.key for one in self.retired))

    def has_signed(self, content: bytes, signature: str, *, manifest: str) -> bool:
        """Whether the key in force has signed it, or a retired one in its time.

        Args:
            content: what was signed.
            signature: HMAC-SHA256 in hexadecimal.
            manifest: SHA-256 of the manifest's bytes.
        """
        in_time = [one.key for one in self.retired if one.manifests is None or manifest in one.manifests]
        return any(key.has_signed(content, signature) for key in (self.current, *in_time))


def key_file(home: Home) -> Path:
    """Where an installation keeps its key unless it is told one."""
    return home.home / "secrets" / "backup.key"


def find_keys(home: Home, *, given: str = "") -> tuple[tuple[Key, ...], str]:
    """The keys of this installation, the one in force first, and where they were found.

    A text may hold several keys between spaces or on lines of their own: those after the first are older ones.

    Args:
        home: has a file for them.
        given: the password of the connection `almanac_backup`, where Airflow has found it.

    Returns:
        The keys, none where there are none, and the name of the variable, connection or file.

    Raises:
        ConfigError: what was found is no key.
    """
    connection = None if given else find_connection(CONNECTION)
    password = given or (connection.password if connection else "") or ""
    for text, where in ((password, "the connection's password"), (os.environ.get(VARIABLE, ""), VARIABLE)):
        if text.strip():
            return tuple(Key.parse(one, where) for one in text.split()), where
    path = key_file(home)
    try:
        return tuple(Key.parse(one, str(path)) for one in path.read_text("utf-8").split() or [""]), str(path)
    except FileNotFoundError:
        return (), str(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}. Grant its owner the right to read it.") from error


def find_or_make_keys(home: Home, *, given: str = "") -> tuple[Key, ...]:
    """The same; a home without a key gets one."""
    found, _ = find_keys(home, given=given)
    if found:
        return found
    key = Key.new()
    write_keys(home, (key,))
    return find_keys(home)[0] or (key,)


def write_keys(home: Home, keys: Sequence[Key]) -> None:
    """Keep keys in the home's file, the one in force first, readable by its owner alone."""
    path = key_file(home)
    private_folder(path.parent)
    write_private(path, "".join(f"{key.text}\n" for key in keys))
