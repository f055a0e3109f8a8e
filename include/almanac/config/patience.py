"""How long this process waits for a service that does not answer.

A task waits long: it is tried again anyway, and a busy machine is not an error. A person at the command line in an
emergency must hear within seconds what cannot be reached. What talks to a service asks here how long it may take.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

VARIABLE = "ALMANAC_PATIENCE_S"
# MLflow's client reads these from the environment alone, at each request.
_MLFLOW_TIMEOUT, _MLFLOW_RETRIES = "MLFLOW_HTTP_REQUEST_TIMEOUT", "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


@dataclass(frozen=True)
class Patience:
    """Of one process.

    Attributes:
        answer_s: how long one answer may take.
        retries: how often it is asked again.
        short: whether a person waits: then nothing is asked twice, and no wait is without a limit.
    """

    answer_s: float
    retries: int
    short: bool = False


_LONG = Patience(60.0, 3)
# Twice in a row, with the start of Python and of MLflow's client, are still within ten seconds.
_SHORT_S = 4.0
_current = _LONG


def patience() -> Patience:
    """The patience of this process now."""
    return _current


def mlflow_settings() -> dict[str, str]:
    """The patience in the variables of MLflow's client; whole seconds."""
    return {_MLFLOW_TIMEOUT: str(max(1, round(_current.answer_s))), _MLFLOW_RETRIES: str(_current.retries)}


@contextmanager
def short_patience() -> Iterator[None]:
    """Wait for no answer longer than some seconds inside a `with` block; `ALMANAC_PATIENCE_S` says how many."""
    global _current
    before, ours = _current, {_MLFLOW_TIMEOUT, _MLFLOW_RETRIES} - os.environ.keys()
    _current = Patience(_seconds(), 0, short=True)
    try:
        yield
    finally:
        _current = before
        if psycopg2 := sys.modules.get("psycopg2.extensions"):  # the journal has set it for as long as this lasts
            psycopg2.set_wait_callback(None)
        for name in ours & os.environ.keys():  # what was set for this block is not for what comes after
            del os.environ[name]


def _seconds() -> float:
    try:
        seconds = float(os.environ.get(VARIABLE, _SHORT_S))
    except ValueError:
        return _SHORT_S
    return seconds if 0 < seconds < float("inf") else _SHORT_S
