"""What one process of the service keeps up to date: versions, rollouts, and what it has logged."""

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from almanac.config.files.loader import load_models
from almanac.config.home import Home
from almanac.errors import AlmanacError, ConfigError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.serving.answer_log import AnswerLog
from almanac.serving.batcher import Batcher
from almanac.serving.engine import Engine
from almanac.serving.feedback import frame_of_outcomes
from almanac.serving.metrics import Metrics
from almanac.serving.outcome_rows import land_outcomes, why_not_landed
from almanac.serving.rate_limit import RateLimit
from almanac.serving.served_model import ServedModel, VersionRegistry
from almanac.serving.tokens import Tokens

_log = logging.getLogger(__name__)
REFRESH_S = 1.0  # a new champion answers within two
SHIP_S = 30.0
WATCH_S = 5.0  # how often the log is shipped, and guards are asked, while a step is young
LAND_S = 3600.0  # each time one file, which triggers an ingest
YOUNG = timedelta(minutes=5)
MOST_WAITING = 256
MOST_ROWS_TOGETHER = 256


class Service:
    """What one process serves: the models that declare it.

    Args:
        home: where everything is.
        registry: says which version is champion.
        clock: what time it is, aware.

    Raises:
        ConfigError: no model declares `serve`.
    """

    def __init__(
        self, home: Home, registry: VersionRegistry, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        loaded = load_models(home.models)
        for problem in loaded.problems:  # of one model; the others are served
            _log.warning("not served: %s", problem)
        declared = [model for model in loaded.models if model.serve is not None]
        if not declared:
            unread = "".join(f"\n{problem}" for problem in loaded.problems)
            raise ConfigError(f"{home.models}: no model declares `serve`; expected one that answers requests{unread}")
        journal = Journal(home.journal_url)
        self._home, self._journal = home, journal
        self.clock = clock
        self.tokens = Tokens(home.serving)
        self.log = AnswerLog(home.serving, home.answers_of)
        self.outcomes = AnswerLog(home.serving, home.outcomes_of, frame=frame_of_outcomes, name="outcomes")
        self.metrics = Metrics()
        self.declared = {model.name: model for model in declared}
        self.most_rows = {model.name: model.serve.max_rows for model in declared if model.serve is not None}
        self.limits = {model.name: RateLimit(model.serve.max_requests) for model in declared if model.serve is not None}
        self.models = {name: ServedModel(home, name, registry, journal, clock) for name in self.declared}
        self.engines = {name: Engine(model, self.log, clock) for name, model in self.models.items()}
        self._shipped_s, self._landed_s = time.monotonic(), -math.inf
        # One thread computes: two would share one interpreter.
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self.batchers = {
            name: Batcher(
                engine.answer_quickly,
                engine.answer,
                self.executor,
                most_rows=MOST_ROWS_TOGETHER,
                most_waiting=MOST_WAITING,
            )
            for name, engine in self.engines.items()
        }

    def refresh(self) -> None:
        """Look for new champions and rows; called by one thread at a time."""
        for model in self.models.values():
            model.refresh()
        self.metrics.observe(self.models, self.log)

    def watch(self) -> None:
        """Ship the log, and ask the guards of rollouts: often while a step is young, else as often as it is shipped."""
        young = any(model.stepped_since(self.clock() - YOUNG) for model in self.models.values())
        if not young and time.monotonic() - self._shipped_s < SHIP_S:
            return
        self._shipped_s = time.monotonic()
        self.ship()
        if self._shipped_s - self._landed_s >= LAND_S:
            self._landed_s = self._shipped_s
            self.land()
        for model in self.models.values():
            try:
                model.watch_rollout()
            except AlmanacError as error:
                _log.warning("%s: the guards of its rollout cannot be asked: %s", model.name, error)

    def land(self) -> None:
        """Let outcomes land as rows of the dataset, of models for which that is possible; see `why_not_landed`."""
        now = self.clock()
        run = RunRef("almanac", f"serve__{now.isoformat()}", started_by="the service", trigger="feedback")
        for model in self.declared.values():
            if why_not_landed(model):
                continue
            try:
                land_outcomes(self._home, model, self._journal, run=run, now=now)
            except AlmanacError as error:
                _log.warning("%s: outcomes have not landed: %s", model.name, error)

    def ship(self) -> None:
        """Move logged answers into their tables; what cannot be moved now stays on this disk."""
        try:
            self.log.ship()
            self.outcomes.ship()
        except AlmanacError as error:
            _log.warning("answers wait on this disk (%d bytes): %s", self.log.waiting_bytes(), error)
