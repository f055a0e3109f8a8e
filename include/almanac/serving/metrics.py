"""Figures of the service for Prometheus, named by its conventions."""

from collections.abc import Mapping
from datetime import datetime

from almanac.extras import extra
from almanac.serving.answer_log import AnswerLog
from almanac.serving.served_model import ServedModel

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The counters of one process. Labels are models and states of HTTP: there are never many."""

    def __init__(self) -> None:
        with extra("serve", "the service"):
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = CollectorRegistry()
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
            registry=self._registry,
        )
        self._unmirrored = Gauge(
            "almanac_serving_unmirrored_requests",
            "Requests of which the other version of a rollout was not asked, because it was busy.",
            ["model"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            "almanac_serving_request_seconds",
            "From a request's head to its answer.",
            ["model"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._ready = Gauge("almanac_serving_ready", "Whether a version answers.", ["model"], registry=self._registry)
        self._problems = Gauge(
            "almanac_serving_problems", "Things that do not work now.", ["model"], registry=self._registry
        )
        self._refreshed = Gauge(
            "almanac_serving_refreshed_seconds", "Since the registry was looked at.", ["model"], registry=self._registry
        )
        self._lost = Gauge(
            "almanac_serving_log_lost_rows", "Answers that could not be logged.", registry=self._registry
        )
        self._waiting = Gauge(
            "almanac_serving_log_waiting_bytes", "Logged answers that are not in a table yet.", registry=self._registry
        )

    def count(self, model: str, status: int, *, rows: Mapping[str, int], seconds: float) -> None:
        """Count one request, and its rows by the arm that answered."""
        self._requests.labels(model, str(status)).inc()
        for arm, count in rows.items():
            self._rows.labels(model, arm).inc(count)
        self._seconds.labels(model).observe(seconds)

    def render(self, models: Mapping[str, ServedModel], log: AnswerLog, now: datetime) -> tuple[bytes, str]:
        """The text that Prometheus reads, and its media type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        for name, model in models.items():
            self._ready.labels(name).set(model.served is not None)
            self._share.labels(name).set(model.share)
            self._unmirrored.labels(name).set(model.unmirrored)
            self._problems.labels(name).set(len(model.problems))
            if model.refreshed_at is not None:
                self._refreshed.labels(name).set((now - model.refreshed_at).total_seconds())
        self._lost.set(log.lost)
        self._waiting.set(log.waiting_bytes())
        return generate_latest(self._registry), CONTENT_TYPE_LATEST
