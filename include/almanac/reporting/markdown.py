"""Text of somebody's data inside Markdown of ours: it is shown as it is, and is never markup."""

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"[\\|<`\[*]")
_MAX_LENGTH = 300


def inline(text: str, *, limit: int = _MAX_LENGTH) -> str:
    """The text in one line of at most `limit` characters, its markup escaped (CommonMark 2.4: backslash escapes)."""
    plain = " ".join(text.split())
    return _MARKUP.sub(r"\\\g<0>", plain if len(plain) <= limit else plain[: limit - 1] + "…")


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table of texts, each escaped."""
    lines = [[inline(cell) for cell in line] for line in (head, *body)]
    lines.insert(1, ["---"] * len(head))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
