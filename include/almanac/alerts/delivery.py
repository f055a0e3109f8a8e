"""Brings messages to people and writes into the journal whether they arrived."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from almanac.alerts.message import Message, mask
from almanac.errors import ConfigError, PermanentError, TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import DeliveredAlert, RunRef

TIMEOUT_S = 10.0
_TRIES = 3
_TRY_LATER = frozenset({408, 425, 429})

log = logging.getLogger(__name__)


def send_webhook(url: str, headers: Mapping[str, str], payload: Mapping[str, str | int]) -> None:
    """Post a payload as JSON; transient errors are tried three times.

    Errors name the host alone: the path of a webhook is often its password.

    Raises:
        ConfigError: the URL is none.
        PermanentError: the receiver refuses (4xx).
        TransientError: it is away, or fails (5xx) three times.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("webhook: not a URL; expected https://host/path in the connection's host")
    _post(url, parts.hostname, dict(headers), dict(payload))


def deliver(
    message: Message, channel: str, send: Callable[[], object], *, journal: Journal, run: RunRef, now: datetime
) -> bool:
    """Send by one channel and record what came of it; a failed delivery is recorded and logged, never raised.

    The caller already handles a failure: an error of the alert must not hide it, nor stop other channels.

    Args:
        message: what to tell.
        channel: webhook, smtp or log.
        send: does it; whatever it raises counts as not delivered.
        journal: where it is recorded.
        run: which run it is about.
        now: aware.

    Returns:
        Whether it was delivered.

    Raises:
        TransientError: the journal is unreachable; the message was sent or logged before.
    """
    error = ""
    try:
        send()
    except Exception as failure:  # noqa: BLE001 - providers' hooks raise what they like
        error = mask(f"{type(failure).__name__}: {failure}")
        log.error("alert not delivered by %s: %s\n%s", channel, error, message.text)
    record(message, channel, journal=journal, run=run, now=now, error=error)
    return not error


def record(message: Message, channel: str, *, journal: Journal, run: RunRef, now: datetime, error: str = "") -> None:
    """Write into the journal that a message went out, or with `error` that it did not.

    Raises:
        TransientError: the journal is unreachable.
    """
    journal.record_alert(
        DeliveredAlert(
            model=message.model,
            severity=message.severity,
            title=message.subject,
            text=message.text,
            channel=channel,
            delivered=not error,
            raised_at=now,
            run=run,
            error=error,
        )
    )


@retry(
    retry=retry_if_exception_type(TransientError),
    stop=stop_after_attempt(_TRIES),
    wait=wait_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _post(url: str, host: str, headers: dict[str, str], payload: dict[str, str | int]) -> None:
    try:
        response = httpx.post(url, headers=headers, json=payload, timeout=TIMEOUT_S)
    except httpx.TransportError as error:
        raise TransientError(f"webhook at {host}: {type(error).__name__}; check that the receiver is up") from error
    except httpx.InvalidURL as error:
        raise ConfigError(f"webhook at {host}: not a URL; check the connection") from error
    if response.is_success:
        return
    refusal = f"webhook at {host}: answered {response.status_code}"
    if response.status_code >= 500 or response.status_code in _TRY_LATER:
        raise TransientError(f"{refusal}; check the receiver's log")
    raise PermanentError(f"{refusal}; expected 2xx. Check address and token in the connection")
