"""Figures of the service for Prometheus, named by its conventions: of all its processes, whichever of them is asked.

One process counts in its own memory. Of several (`--workers`) each writes files of its own into one folder, and the one
that is scraped adds them up; see the multiprocess mode of prometheus-client.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from almanac.extras import extra
from almanac.serving.answer_log import AnswerLog
from almanac.serving.served_model import ServedModel

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_REFRESHED_AT = "almanac_serving_refreshed_at"


class Metrics:
    """The counters of one process. Labels are models and states of HTTP: there are never many."""

    def __init__(self) -> None:
        with extra("serve", "the service"):
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
        self._known: dict[tuple[Any, ...], Any] = {}
        self._folder = os.environ.get(FOLDER_VARIABLE)
        if self._folder:
            _forget_dead(Path(self._folder))
        self._requests = Counter(
            "almanac_serving_requests",
            "Requests, by the status that answered.",
            ["model", "status"],
            registry=self._registry,
        )
        self._rows = Counter("almanac_serving_rows", "Rows answered.", ["model", "arm"], registry=self._registry)
        self._share = Gauge(
            "almanac_serving_challenger_share",
            "Of units that a challenger answers; 0: there is none, or it answers nobody.",
            ["model"],
            multiprocess_mode="livemax",
            registry=self._registry,
        )
        self._unmirrored = Gauge(
            "almanac_serving_unmirrored_requests",
            "Requests of which the other version of a rollout was not asked, because it was busy.",
            ["model"],
            multiprocess_mode="sum",
            registry=self._registry,
        )
        self._seconds = Histogram(
            "almanac_serving_request_seconds",
            "From a request's head to its answer.",
            ["model"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._ready = Gauge(
            "almanac_serving_ready",
            "Whether a version answers.",
            ["model"],
            multiprocess_mode="livemin",
            registry=self._registry,
        )
        self._problems = Gauge(
            "almanac_serving_problems",
            "Things that do not work now.",
            ["model"],
            multiprocess_mode="livemax",
            registry=self._registry,
        )
        self._refreshed_at = Gauge(
            _REFRESHED_AT,
            "When the registry was looked at.",
            ["model"],
            multiprocess_mode="livemin",
            registry=self._registry,
        )
        self._lost = Gauge(
            "almanac_serving_log_lost_rows",
            "Answers that could not be logged.",
            multiprocess_mode="sum",
            registry=self._registry,
        )
        self._waiting = Gauge(
            "almanac_serving_log_waiting_bytes",
            "Logged answers that are not in a table yet.",
            multiprocess_mode="livemostrecent",
            registry=self._registry,
        )

    def count(self, model: str, status: int, *, rows: Mapping[str, int], seconds: float) -> None:
        """Count one request, and its rows by the arm that answered."""
        self._one(self._requests, model, str(status)).inc()
        for arm, count in rows.items():
            self._one(self._rows, model, arm).inc(count)
        self._one(self._seconds, model).observe(seconds)

    def _one(self, metric: Any, *labels: str) -> Any:
        """The metric of some labels; to find it again each time costs more than to count."""
        found = self._known.get((metric, *labels))
        if found is None:
            found = self._known[(metric, *labels)] = metric.labels(*labels)
        return found

    def observe(self, models: Mapping[str, ServedModel], log: AnswerLog) -> None:
        """Write down the state of this process; every second, because another process may be asked for it."""
        for name, model in models.items():
            self._ready.labels(name).set(model.served is not None)
            self._share.labels(name).set(model.share)
            self._unmirrored.labels(name).set(model.unmirrored)
            self._problems.labels(name).set(len(model.problems))
            if model.refreshed_at is not None:
                self._refreshed_at.labels(name).set(model.refreshed_at.timestamp())
        self._lost.set(log.lost)
        self._waiting.set(log.waiting_bytes())

    def render(self, models: Mapping[str, ServedModel], log: AnswerLog, now: datetime) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self.observe(models, log)
        found = self._registry
        if self._folder:
            found = CollectorRegistry()
            MultiProcessCollector(found, self._folder)  # type: ignore[no-untyped-call]
        shown = CollectorRegistry()
        shown.register(_Aged(found, now))
        return generate_latest(shown), CONTENT_TYPE_LATEST


class _Aged:
    """Metrics in which a time is said as its age: a process that does not look any more grows old in it."""

    def __init__(self, registry: "CollectorRegistry", now: datetime) -> None:
        self._registry, self._now_s = registry, now.timestamp()

    def collect(self) -> "Iterator[Metric]":
        """The metrics."""
        from prometheus_client.core import GaugeMetricFamily

        for metric in self._registry.collect():
            if metric.name != _REFRESHED_AT:
                yield metric
                continue
            aged = GaugeMetricFamily(
                "almanac_serving_refreshed_seconds", "Since the registry was looked at.", labels=["model"]
            )
            for sample in metric.samples:
                aged.add_metric([sample.labels["model"]], self._now_s - sample.value)
            yield aged


def _forget_dead(folder: Path) -> None:
    """Take the states of processes that are gone out of the figures; what they have counted stays counted."""
    from prometheus_client.multiprocess import mark_process_dead

    for pid in {path.stem.rpartition("_")[2] for path in folder.glob("gauge_live*.db")}:
        if not Path("/proc", pid).exists():
            with suppress(FileNotFoundError):  # another new process was faster
                mark_process_dead(int(pid), str(folder))  # type: ignore[no-untyped-call]
