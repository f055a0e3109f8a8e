"""Valid MLflow metric names for figures of segments with any name."""

import hashlib
import posixpath
import re

_REFUSED = re.compile(r"[^\w.\- :]")
_MAX_LENGTH = 250  # of MLflow; the hash replaces the end of a longer name
_HASH_LENGTH = 8


def metric_name(text: str) -> str:
    """The text itself where it is a valid metric name of MLflow; otherwise a readable and unique one.

    MLflow accepts letters, digits, `_ - . : / ` and spaces, no more than 250 of them, and only what is a normal
    relative path. In any other text each refused character becomes `_`, and the first 8 digits of the text's SHA-256
    follow, so that `rain (light)` and `rain [light]` stay two metrics.
    """
    if not _REFUSED.search(text.replace("/", "")) and len(text) <= _MAX_LENGTH and _is_normal_path(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    plain = _REFUSED.sub("_", text)[: _MAX_LENGTH - _HASH_LENGTH - 1].lstrip(".")
    return f"{plain}-{digest}"


def _is_normal_path(text: str) -> bool:
    return posixpath.normpath(text) == text and not text.startswith(("/", "..")) and text != "."
