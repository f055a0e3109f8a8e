"""Texts of others as they are shown to people: cut to a length, and with nothing in them that a terminal or page obeys.

File names, cells, column names and answers of servers may be megabytes long, may hold escape sequences that repaint a
terminal, and marks that turn the direction of what follows. Every text that is not our own goes through here before it
becomes part of an error, a reason, a report, an alert or a page.
"""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import islice

MAX_ERROR = 10_000
MAX_REASON = 2_000
MAX_LINES = 100
MAX_NAME = 60
MAX_NAMES = 10
# C0 and C1 controls but tab and line feed, marks of direction, other line ends, and halves of characters.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Make visible what a terminal or a page would obey: the character escape becomes a backslash and x1b."""
    return _UNSAFE.sub(_visible, text)


def shorten(text: str, limit: int) -> str:
    """A text, cleaned, of at most `limit` characters; a longer one says at its end how long it was.

    Applied again it changes nothing.
    """
    cleaned = clean(text[:limit])
    if len(text) <= limit and len(cleaned) <= limit:
        return cleaned
    end = f"... ({len(text):,} characters in all)"
    return f"{cleaned[: max(0, limit - len(end))]}{end}"[:limit]


def show(value: object, limit: int = MAX_NAME) -> str:
    """A value as Python writes it, cut. A long text, list or mapping is cut before it is written."""
    if isinstance(value, str):
        text = value[:limit]
        return repr(clean(text)) if len(value) <= limit else f"{clean(text)!r}... ({len(value):,} characters in all)"
    if isinstance(value, dict):
        return f"a mapping of {len(value):,} keys" if len(value) > MAX_NAMES else shorten(repr(value), limit)
    if isinstance(value, list | tuple | set | frozenset):
        return f"a list of {len(value):,}" if len(value) > MAX_NAMES else shorten(repr(value), limit)
    try:
        return shorten(repr(value), limit)
    except ValueError:  # a number of more digits than Python writes
        return f"a number of more than {limit} digits"


def join_names(names: Sequence[str], limit: int = MAX_NAMES) -> str:
    """Names in a row: `'a', 'b' and 199,998 more`."""
    text = ", ".join(show(name) for name in islice(names, limit))
    return text if len(names) <= limit else f"{text} and {len(names) - limit:,} more"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the known name nearest to a mistyped one: ` (did you mean 'schedule'?)`; empty: none is near."""
    by_small = {each.lower(): each for each in known}
    near = get_close_matches(name[:MAX_NAME].lower(), by_small, n=1, cutoff=0.6)
    return f" (did you mean {show(by_small[near[0]])}?)" if near else ""


def shorten_lines(lines: Iterable[str], *, limit: int = MAX_LINES, each: int = MAX_REASON) -> tuple[str, ...]:
    """Reasons or warnings: at most `limit`, each cut; the last one says how many there are more."""
    found = tuple(lines)
    if len(found) > limit:
        found = (*found[: limit - 1], f"and {len(found) - limit + 1:,} more")
    return tuple(shorten(line, each) for line in found)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
