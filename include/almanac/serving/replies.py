"""Bodies of requests within their limit, and answers and refusals as JSON."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MAX_BODY_BYTES = 4_000_000


async def body_of(request: "Request") -> bytes | None:
    """The body of a request; None: it is too large, and was not read to its end."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def refuse(
    status: int,
    words: str,
    *,
    problems: list[dict[str, Any]] | None = None,
    retry_after_s: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> "Response":
    """A refusal, in words."""
    content: dict[str, object] = {"error": words}
    if problems:
        content["problems"] = problems
    more = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return as_json(content, status=status, headers={**(headers or {}), **more})


def as_json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    """An answer."""
    import msgspec
    from starlette.responses import Response

    return Response(msgspec.json.encode(content), status, headers=headers, media_type="application/json")
