"""Middleware in front of Airflow's web server: delays wrong logins, and sets security headers."""

import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from math import ceil
from typing import Any
from urllib.parse import parse_qs

from almanac.services.login_delays import LoginDelays

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

VARIABLE = "ALMANAC_LOGIN_GUARD"
# Airflow's own pages run scripts, so this forbids less than our pages do; a header that a page sets itself stays.
HEADERS = {
    b"content-security-policy": b"frame-ancestors 'self'; object-src 'none'",
    b"x-frame-options": b"SAMEORIGIN",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
}
# Of the simple auth manager and of FAB: the form, and tokens for programs.
_LOGINS = ("/auth/token", "/auth/token/cli", "/auth/login")
_FORM = "/auth/login"
_MAX_BYTES = 1 << 16


class Guard:
    """Delays logins after wrong ones, and adds security headers.

    Args:
        app: the application behind it.
        delays: of this process.
    """

    def __init__(self, app: Any, delays: LoginDelays | None = None) -> None:
        self._app = app
        self._delays = LoginDelays() if delays is None else delays

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse a login."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                more = [(name, value) for name, value in HEADERS.items() if name not in present]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        path = scope["path"].rstrip("/")
        if scope["method"] == "POST" and path.endswith(_LOGINS):
            await self._login(scope, receive, with_headers, is_form=path.endswith(_FORM))
        else:
            await self._app(scope, receive, with_headers)

    async def _login(self, scope: Scope, receive: Receive, send: Send, *, is_form: bool) -> None:
        body = await _read(receive)
        if body is None:
            await _refuse(send, 413, "The request is too large.")
            return
        user, address = _user(body, is_form=is_form), str((scope.get("client") or ("",))[0])
        wait_s = self._delays.wait_s(user, address)
        if wait_s:
            await _refuse(send, 429, f"Too many wrong logins; try again in {ceil(wait_s)} s.", ceil(wait_s))
            return
        # Counted before it is tried: else a thousand simultaneous guesses would count as one.
        self._delays.failed(user, address)

        async def watched(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start" and _is_right(message, is_form=is_form):
                self._delays.succeeded(user, address)
            await send(message)

        await self._app(scope, _replayed(body, receive), watched)


def middlewares() -> list[dict[str, Any]]:
    """The middlewares of Airflow's web server; none where the variable says that another guards it."""
    if os.environ.get(VARIABLE, "1") == "0":
        return []
    return [{"middleware": Guard, "args": [], "kwargs": {}, "name": "Almanac: logins and headers"}]


def _is_right(start: MutableMapping[str, Any], *, is_form: bool) -> bool:
    """Whether a login was right. FAB's form answers either with a redirect: a wrong one to the form again."""
    if not is_form:
        return bool(start["status"] < 300)
    target = next((value for name, value in start.get("headers", ()) if name.lower() == b"location"), b"/login")
    return bool(300 <= start["status"] < 400) and b"/login" not in target


async def _read(receive: Receive) -> bytes | None:
    """The body of a request; None: it is larger than any login."""
    body: bytes = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if len(body) > _MAX_BYTES:
            return None
        if message["type"] != "http.request" or not message.get("more_body"):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _user(body: bytes, *, is_form: bool) -> str:
    """Who wants to log in; empty when nobody is named."""
    if is_form:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=100).get("username", [""])[0]
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(found.get("username", ""))[:200] if isinstance(found, dict) else ""


async def _refuse(send: Send, status: int, detail: str, retry_after_s: int = 0) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after_s:
        headers.append((b"retry-after", str(retry_after_s).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"detail": detail}).encode()})
