"""Runs the service in one or several processes that share a port."""

import logging
import os
import tempfile
from collections.abc import Mapping
from typing import Any

from almanac.extras import extra
from almanac.serving.metrics import FOLDER_VARIABLE

DRAIN_S = 20
_LOGS: Mapping[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"standard": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["standard"]},
    # each request stands in the log of answers, and in the metrics
    "loggers": {"uvicorn.access": {"level": "WARNING"}},
}


def serve(host: str, port: int, *, workers: int) -> None:
    """Answer requests until SIGTERM or Ctrl-C; requests that were begun are answered first."""
    with extra("serve", "the service"):
        import uvicorn

    # rows of one request are few: threads of polars and linear algebra would only wait for each other
    for variable in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    logging.getLogger(__name__).info("serving at http://%s:%d", host, port)
    with tempfile.TemporaryDirectory(prefix="almanac-serve-") as folder:
        # set for each start: figures of another service, or of the one before, are not added to these
        os.environ.pop(FOLDER_VARIABLE, None)
        if workers > 1:
            os.environ[FOLDER_VARIABLE] = folder
        uvicorn.run(
            "almanac.serving.app:create",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_config=dict(_LOGS),
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
