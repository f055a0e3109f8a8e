"""Signatures of archives: Ed25519, so that the reader of an archive can check a signature and cannot make one.

The private half is derived from the key of the installation's backups: one secret to keep, and one rotation. The public
half is what another installation declares in `trusted_origins`.
"""

import base64
import binascii
from collections.abc import Mapping

from almanac.backup.store.keys import Key

_PREFIX = "ed25519:"
OWN = "this installation"  # under which name its own key is trusted


def public_key(key: Key) -> str:
    """The public half, as `trusted_origins` holds it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    raw = Ed25519PrivateKey.from_private_bytes(key.of_archives()).public_key().public_bytes_raw()
    return _PREFIX + base64.b64encode(raw).decode()


def sign(key: Key, content: bytes) -> str:
    """The signature in hexadecimal."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(key.of_archives()).sign(content).hex()


def has_signed(public: str, content: bytes, signature: str) -> bool:
    """Whether the private half of `public` has signed the content."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        raw = base64.b64decode(public.removeprefix(_PREFIX), validate=True)
        Ed25519PublicKey.from_public_bytes(raw).verify(bytes.fromhex(signature), content)
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return True


def trusted_keys(declared: Mapping[str, str], own: Key | None) -> dict[str, str]:
    """Names by public key: the declared ones, and the installation's own."""
    trusted = {public: name for name, public in declared.items()}
    return trusted if own is None else {**trusted, public_key(own): OWN}
