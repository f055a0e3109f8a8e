"""Encodings of text files, by the names of Python's codecs."""

import codecs

_NO_FILES = ("idna", "punycode", "undefined", "unicode_escape", "unicode-escape", "raw-unicode-escape", "utf-7")
_USUAL = {"utf-8": "utf-8", "utf-16": "utf-16", "iso8859-1": "latin-1", "cp1252": "cp1252"}


def check_encoding(name: str) -> str:
    """The name of the encoding, the usual ones as `utf-8`, `utf-16`, `latin-1`, `cp1252`.

    Raises:
        ValueError: Python has no such encoding, or it does not make text of bytes.
    """
    try:
        "a".encode(name)  # which refuses hex, zlib and other codecs that make no text
        found = codecs.lookup(name)
        if found.name in _NO_FILES:
            raise LookupError(name)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"encoding: no encoding of texts; got {name!r}, expected such as utf-8, utf-16, latin-1, cp1252, cp1250,"
            " iso8859-15, koi8-r, shift_jis, gb18030"
        ) from error
    return _USUAL.get(found.name, found.name)
