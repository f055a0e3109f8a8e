"""The key of a backup place: it signs manifests and, if declared, encrypts objects. It is kept apart from the place."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from include.config.home import Home
from include.errors import ConfigError
from include.services.credentials import private_folder, write_private

VARIABLE = "ALMANAC_BACKUP_KEY"
CONNECTION = "almanac_backup"  # of Airflow, whose password is the key
_SIGNING = b"almanac backup signing 1"
_OBJECT = b"almanac backup object 1 "
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
                " (44 characters). Put the right key back: snapshots that it signed need it."
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

    def _derive(self, purpose: bytes, salt: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), _SIZE, salt or None, purpose).derive(self.master)


def key_file(home: Home) -> Path:
    """Where an installation keeps its key unless it is told one."""
    return home.home / "secrets" / "backup.key"


def find_key(home: Home, *, given: str = "") -> Key | None:
    """The key of this installation: the given one, else the environment's, else that of the home; None without any.

    Raises:
        ConfigError: what was found is no key.
    """
    for text, where in ((given, "the connection's password"), (os.environ.get(VARIABLE, ""), VARIABLE)):
        if text:
            return Key.parse(text, where)
    path = key_file(home)
    try:
        return Key.parse(path.read_text("utf-8"), str(path))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}. Give its owner the right to read it.") from error


def find_or_make_key(home: Home, *, given: str = "") -> Key:
    """The same; a home without a key gets one."""
    found = find_key(home, given=given)
    if found is not None:
        return found
    path = key_file(home)
    private_folder(path.parent)
    key = Key.new()
    write_private(path, key.text + "\n")
    return find_key(home) or key
