"""Reads JSON that others have written: whatever is wrong with it is a ValueError, also 200,000 brackets."""

import json
from collections.abc import Callable
from typing import Any


def parse_json(raw: bytes | str, **options: Callable[[str], object]) -> Any:
    """Read JSON.

    Args:
        raw: the text.
        options: of `json.loads`.

    Raises:
        ValueError: it is no JSON, or nested more deeply than Python reads.
    """
    try:
        return json.loads(raw, **options)  # type: ignore[arg-type]
    except RecursionError:
        raise ValueError("nested too deeply") from None
