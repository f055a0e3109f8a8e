"""GETs one page at a time: patient with a busy server, strict about size, time and where it lets itself be sent."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from tenacity.stop import stop_base

from almanac.data.sources.port import Deadline
from almanac.errors import ConfigError, DataError, PermanentError, TransientError

TRIES = 6
_SILENCE_S = 30.0  # of a server, before a try counts as failed
_TRY_LATER = frozenset({408, 425, 429})
_NOT_MODIFIED = 304

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and with which headers; both come from an Airflow connection and may hold secrets.

    `connection` is its name, for messages.

    Raises:
        ConfigError: the address is none.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    connection: str = ""

    def __post_init__(self) -> None:
        try:
            scheme, host, _ = _origin(httpx.URL(self.url))
        except httpx.InvalidURL as error:
            raise ConfigError(f"connection {self.connection!r}: its address is not a URL: {error}") from error
        if scheme not in ("http", "https") or not host:
            raise ConfigError(
                f"connection {self.connection!r}: no address; expected https://host in the connection's host"
            )


@dataclass(frozen=True)
class Page:
    """An answer: `content` is None when nothing changed since the condition that was sent."""

    url: str
    headers: Mapping[str, str]
    content: bytes | None


@dataclass(frozen=True)
class AnswerLimits:
    """How large an answer may be; and where a person changes that, the path and the query, for messages."""

    max_bytes: int
    size_key: str = "source.max_size_mb. Ask for smaller pages, or raise the limit"
    path_key: str = "source.path"
    query_key: str = "source.params"


class HttpConflictError(PermanentError):
    """The server is doing what it was asked to begin (409)."""


class _BusyError(TransientError):
    """The server may answer later; `after_s` is when it said so itself."""

    def __init__(self, message: str, after_s: float | None = None) -> None:
        super().__init__(message)
        self.after_s = after_s


class HttpClient:
    """A connection to one server, kept for all pages.

    Args:
        endpoint: where.
        limits: a longer answer, unpacked, is refused while it is read.
        deadline: for everything together, pauses and all.
        wait: waits for so many seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        limits: AnswerLimits,
        deadline: Deadline,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._origin = _origin(httpx.URL(endpoint.url))
        self._endpoint = endpoint
        self._limits = limits
        self._deadline = deadline
        self._wait = wait
        self._client = httpx.Client(headers=dict(endpoint.headers), timeout=_SILENCE_S)  # follows no redirects

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Page:
        """Ask for one page: `request` with GET."""
        return self.request("GET", url, headers)

    def request(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Page:
        """Send one request. 408, 425, 429, 5xx and broken connections are tried again, as late as the server wishes.

        So a POST must be one that may be sent twice.

        Raises:
            HttpConflictError: the server answers 409.
            ConfigError: address or credentials are wrong.
            DataError: the answer is too large, or a link leads to another server.
            PermanentError: the server refuses otherwise.
            TransientError: it is away, or slower than allowed.
        """
        address = httpx.URL(url)
        if _origin(address) != self._origin:
            raise DataError(
                f"{location_of(url)}: the next page is on another server than {location_of(self._endpoint.url)}; it is"
                f" not"
                " requested, because it would receive the credentials. Put the address that the pages' links use"
                " into the connection."
            )
        tries = Retrying(
            retry=retry_if_exception_type(_BusyError),
            stop=stop_after_attempt(TRIES) | _TooLate(self._deadline),
            wait=_pause,
            sleep=self._wait,
            before_sleep=_log_retry,
            reraise=True,
        )
        return tries(self._once, method, address, dict(headers or {}))

    def _once(self, method: str, url: httpx.URL, headers: dict[str, str]) -> Page:
        where = location_of(str(url))
        self._deadline.check(where)
        try:
            with self._client.stream(method, url, headers=headers) as response:
                if response.status_code == _NOT_MODIFIED and headers:
                    return Page(str(url), response.headers, None)
                self._check_status(response, where)
                return Page(str(url), response.headers, self._read(response, where))
        except httpx.TransportError as error:
            raise _BusyError(f"{where}: {type(error).__name__}: {error}; check that the server is up") from error
        except httpx.DecodingError as error:
            raise DataError(f"{where}: its content-encoding is broken: {error}; check the server") from error

    def _read(self, response: httpx.Response, where: str) -> bytes:
        content = bytearray()
        for part in response.iter_bytes():
            content += part
            if len(content) > self._limits.max_bytes:
                raise DataError(
                    f"{where}: response too large; got more than {self._limits.max_bytes} bytes, the limit is"
                    f" {self._limits.size_key}."
                )
            self._deadline.check(where)
        return bytes(content)

    def _check_status(self, response: httpx.Response, where: str) -> None:
        status = response.status_code
        if response.is_success:
            return
        message = f"{where}: answered {status}"
        if status >= 500 or status in _TRY_LATER:
            raise _BusyError(f"{message}; check the server", _retry_after_s(response.headers.get("Retry-After", "")))
        if status in (401, 403):
            raise ConfigError(f"{message}; check name, password or token in connection {self._endpoint.connection!r}")
        if response.is_redirect:
            target = location_of(str(httpx.URL(where).join(response.headers.get("Location", ""))))
            raise ConfigError(
                f"{message} and points to {target}; put the right address into the connection or"
                f" {self._limits.path_key}"
            )
        if status == 404:
            raise ConfigError(f"{message}; check the connection's address and {self._limits.path_key}")
        if status == 409:
            raise HttpConflictError(f"{message}; it is doing already what it was asked to begin")
        raise PermanentError(f"{message}; expected 200. Check {self._limits.query_key} and the server's documentation")


class _TooLate(stop_base):
    """Stop when the next pause would end after the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: RetryCallState) -> bool:
        return retry_state.upcoming_sleep >= self._deadline.left_s()


_backoff = wait_random_exponential(multiplier=1, max=60)


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    asked = error.after_s if isinstance(error, _BusyError) else None
    return _backoff(state) if asked is None else asked


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome is not None else None
    log.warning("%s; try %d follows in %.1f s", error, state.attempt_number + 1, state.upcoming_sleep)


def _retry_after_s(value: str) -> float | None:
    """What the server asks for: seconds, or a date (RFC 9110, 10.2.3)."""
    if value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def location_of(url: str) -> str:
    """A URL without what may be secret in it: name, password, query."""
    address = httpx.URL(url)
    port = f":{address.port}" if address.port else ""
    return f"{address.scheme}://{address.host}{port}{address.path}"
