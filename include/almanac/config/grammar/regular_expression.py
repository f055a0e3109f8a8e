"""The one dialect of regular expressions: what Python and the engine that runs them (polars, in Rust) read alike."""

import re
import warnings
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

_REFUSED = {
    codes.ASSERT: "look-around",
    codes.ASSERT_NOT: "look-around",
    codes.GROUPREF: "back-references",
    codes.GROUPREF_EXISTS: "conditions",
    codes.ATOMIC_GROUP: "atomic groups",
    codes.POSSESSIVE_REPEAT: "possessive repetition",
}
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_OTHER_ESCAPES = "0123456789ZuUNbB<>"
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(\(\?(?:#|[a-zA-Z-]*[^imsP:()-]))|(\{)", re.DOTALL)
_REPEATED = re.compile(r"\{\d+(,\d*)?\}")
_MAX_REPEATED = 1_000


def check_regex(pattern: str) -> str:
    """Refuse a regular expression that could not be run, or would mean something else where it is run.

    Raises:
        ValueError: it is none, or uses what only one of the two engines has; says what.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set inside a set, which Rust reads as such
            tree = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, FutureWarning) as error:
        raise ValueError(f"not a regular expression: {error}; got {pattern[:80]!r}") from error
    if found := next(_refused(tree), "") or _refused_text(pattern):
        raise ValueError(f"{found} are not supported; got {pattern[:80]!r}, expected a plain pattern of the whole text")
    return pattern


def _refused(tree: Any) -> Any:
    """What of a parsed expression only Python has, one name after the other."""
    for code, argument in tree:
        if code in _REFUSED:
            yield _REFUSED[code]
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            low, high, repeated = argument
            if max(low, 0 if high == codes.MAXREPEAT else high) > _MAX_REPEATED:
                yield f"more than {_MAX_REPEATED} repetitions"
            yield from _refused(repeated)
        elif code is codes.SUBPATTERN:
            yield from _refused(argument[-1])
        elif code is codes.BRANCH:
            for branch in argument[1]:
                yield from _refused(branch)


def _refused_text(pattern: str) -> str:
    """What the two engines read differently, though Python parses it."""
    for escaped in (found[1] for found in _ESCAPE.finditer(pattern)):
        if escaped in _OTHER_ESCAPES or not escaped.isascii():
            return f"escapes such as \\{escaped}"
    for found in _TOKEN.finditer(pattern):
        group, brace = found.groups()
        if "[" in _ESCAPE.sub("", found[0][1:]) and found[0].startswith("["):
            return "sets inside of sets (write \\[ for the sign)"
        if group:
            return "comments, and other flags than i, m and s,"
        if brace and not _REPEATED.match(pattern, found.start()):
            return "braces without a count (write \\{ for the sign)"
    return ""
