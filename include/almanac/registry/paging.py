"""Reads MLflow's paged lists to their end. All searches go through it, so that none misses the later pages."""

from collections.abc import Callable, Iterator
from typing import Any


def every(search: Callable[..., Any], *arguments: Any, **named: Any) -> Iterator[Any]:
    """All results of a search, page by page.

    Args:
        search: a `search_...` method of an `MlflowClient`.
        arguments: its arguments.
        named: those with names; `max_results` is the size of a page.

    Raises:
        MlflowException: MLflow refuses the request or is not available.
    """
    token: str | None = None
    while True:
        page = search(*arguments, **named, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
