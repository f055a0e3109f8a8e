"""The one place that asks MLflow for lists: it gives a page at a time, and whoever reads one page misses the rest."""

from collections.abc import Callable, Iterator
from typing import Any


def every(search: Callable[..., Any], *asked: Any, **named: Any) -> Iterator[Any]:
    """All results of a search, page by page.

    Args:
        search: a `search_...` method of an `MlflowClient`.
        asked: its arguments.
        named: those with names; `max_results` is the size of a page.

    Raises:
        MlflowException: MLflow refuses or is away.
    """
    token: str | None = None
    while True:
        page = search(*asked, **named, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
