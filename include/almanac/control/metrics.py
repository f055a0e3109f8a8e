"""The installation as Prometheus reads it. Labels are models, and words from sets that are written down here.

Nothing is kept between two scrapes: gauges come from the newest records, counters from the journal's running totals.
So it does not matter which process answers, and the cost does not grow with history.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Declared
from almanac.config.sections.costs import Prices
from almanac.control.model_summary import SUBJECTS, ModelSummary, summarize
from almanac.costs.amounts import amount_of
from almanac.costs.ledger import CPU_SECONDS, MEMORY_SECONDS
from almanac.extras import extra
from almanac.journal import totals
from almanac.journal.backup_times import last_restores, proven_times, snapshot_times
from almanac.journal.journal import Journal
from almanac.journal.newest import open_alerts
from almanac.journal.records import BatchState, DecisionKind
from almanac.journal.totals import Total

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    Family = CounterMetricFamily | GaugeMetricFamily

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SEVERITIES = ("critical", "warning", "info")
VERDICTS = (totals.ACCEPTED, totals.REFUSED)
MOST_GATES = 30  # of one model; more would be names that are no gates
_ALIASES = ("champion", "challenger", "shadow")


@dataclass(frozen=True)
class _MetricSeries:
    """One metric: its samples by the values of its labels."""

    name: str
    help: str
    labels: tuple[str, ...]
    is_counter: bool = False
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)

    def set(self, value: float | timedelta | bool | None, *labels: str) -> None:
        if value is not None:
            self.samples[labels] = value.total_seconds() if isinstance(value, timedelta) else float(value)

    def family(self) -> "Family":
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        kind = CounterMetricFamily if self.is_counter else GaugeMetricFamily
        found: Family = kind(f"almanac_{self.name}", self.help, labels=self.labels)
        for labels, value in self.samples.items():
            found.add_metric(labels, value)
        return found


def render_metrics(
    models: Sequence[Declared],
    journal: Journal,
    now: datetime,
    *,
    with_installation: bool = True,
    prices: Prices | None = None,
) -> str:
    """The text that Prometheus reads.

    Args:
        models: those that the reader may see.
        journal: of the installation.
        now: aware.
        with_installation: also what belongs to no model: its alerts, backups and drills.
        prices: of the installation; None: costs are absent.

    Raises:
        ConfigError: `prometheus-client` is not installed.
        TransientError: the journal is unreachable.
    """
    with extra("serve", "the page of metrics"):
        from prometheus_client import CollectorRegistry, generate_latest
    series = [
        *_of_models(summarize(models, journal, now), now),
        *_of_totals({model.name for model in models}, journal, prices),
        *(_of_installation(journal, now) if with_installation else ()),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected([one.family() for one in series]))
    return str(generate_latest(registry).decode("utf-8"))


class _Collected:
    """What `CollectorRegistry` asks for metrics: these."""

    def __init__(self, families: "list[Family]") -> None:
        self._families = families

    def collect(self) -> "list[Family]":
        return self._families


def _of_models(summaries: Sequence[ModelSummary], now: datetime) -> Iterator[_MetricSeries]:
    mine = ("model",)
    version = _MetricSeries("model_version", "The version that has an alias, as a number.", ("model", "alias"))
    age = _MetricSeries("model_age_seconds", "Since the champion became champion.", mine)
    figure = _MetricSeries("champion_metric", "The champion's figure on its hold-out.", ("model", "metric"))
    baseline = _MetricSeries("baseline_metric", "The same figure of the best baseline.", ("model", "metric"))
    watched = _MetricSeries("monitored_metric", "The monitor's figure of the newest window with labels.", mine)
    drift = _MetricSeries("drift_features", "Columns that have drifted in the newest window.", mine)
    fresh = _MetricSeries(
        "dataset_freshness_seconds", "Since the end of the newest published rows, in event time.", mine
    )
    limit = _MetricSeries("dataset_max_age_seconds", "How old they may be, as declared.", mine)
    data = _MetricSeries("dataset_version", "The newest version of the dataset.", mine)
    trained = _MetricSeries("training_age_seconds", "Since the last decision about a training.", mine)
    stopped = _MetricSeries("scoring_stopped", "1: scoring is stopped.", mine)
    alerts = _MetricSeries("alerts_open", "Alerts that last.", ("model", "severity"))
    backup = _MetricSeries("backup_age_seconds", "Since the newest snapshot.", ("model", "subject"))
    drill = _MetricSeries("drill_age_seconds", "Since the last drill that restored it.", ("model", "subject"))
    for one in summaries:
        for alias, state in zip(_ALIASES, (one.champion, one.challenger, one.shadow), strict=True):
            version.set(_number(state.version) if state else None, one.name, alias)
        age.set(now - one.champion.since if one.champion else None, one.name)
        figure.set(one.figure, one.name, one.metric)
        baseline.set(one.baseline, one.name, one.metric)
        watched.set(one.performance[-1] if one.performance else None, one.name)
        drift.set(one.drift[-1] if one.drift else None, one.name)
        fresh.set(now - one.newest_row if one.newest_row else None, one.name)
        limit.set(one.max_age, one.name)
        data.set(one.dataset_version, one.name)
        trained.set(now - one.training.at if one.training else None, one.name)
        stopped.set(one.scoring_stopped, one.name)
        for severity in SEVERITIES:
            alerts.set(one.alerts.get(severity, 0), one.name, severity)
        for subject in SUBJECTS:
            backup.set(one.snapshots.get(subject), one.name, subject)
            drill.set(one.drills.get(subject), one.name, subject)
    yield from (version, age, figure, baseline, watched, drift, fresh, limit, data, trained, stopped)
    yield from (alerts, backup, drill)


def _of_totals(models: Collection[str], journal: Journal, prices: Prices | None) -> Iterator[_MetricSeries]:
    series = {
        totals.BATCHES: _counter("batches", "Batches by what became of them.", "state"),
        totals.QUARANTINED: _counter("quarantined_rows", "Rows that were quarantined."),
        totals.PUBLISHED: _counter("published_rows", "Rows that were published."),
        totals.DECISIONS: _counter("decisions", "Decisions by kind and verdict.", "kind", "decision"),
        totals.REFUSED_GATES: _counter("gate_refusals", "Candidates that a gate refused.", "gate"),
        CPU_SECONDS: _counter("task_cpu_seconds", "CPU time of tasks and their children.", "pipeline"),
        MEMORY_SECONDS: _counter("task_memory_gib_seconds", "Peak memory in GiB, for as long as it ran.", "pipeline"),
    }
    asked = _counter("retrain_requests", "The monitor's verdicts on a retrain.", "decision")
    for name in sorted(models):  # a counter that is absent until it counts cannot be alerted on
        for state in BatchState:
            series[totals.BATCHES].set(0, name, state)
        for verdict in VERDICTS:
            asked.set(0, name, verdict)
        for rows in (totals.QUARANTINED, totals.PUBLISHED):
            series[rows].set(0, name)
    with journal.transaction() as connection:
        found = [one for one in _bounded(totals.read(connection)) if one[0].model in models and one[0].name in series]
    cost = _cost(found, prices)
    for total, amount in found:
        labels = total.label.split("/") if total.label else []
        series[total.name].set(amount, total.model, *labels)
        if total.name == totals.DECISIONS and labels[0] == DecisionKind.RETRAIN_REQUEST:
            asked.set(amount, total.model, labels[1])
    yield from (*series.values(), asked, cost)


def _cost(found: Sequence[tuple[Total, float]], prices: Prices | None) -> _MetricSeries:
    """What tasks have cost; a change of the prices changes the past, which Prometheus may take for a restart."""
    cost = _counter("cost", "What tasks have cost at the declared prices.", "pipeline", "currency")
    sums: dict[Total, float] = {}
    for total, amount in found:
        if prices is not None and total.name in (CPU_SECONDS, MEMORY_SECONDS):
            used = (amount, 0.0) if total.name == CPU_SECONDS else (0.0, amount)
            key = Total("cost", total.model, total.label)
            sums[key] = sums.get(key, 0.0) + amount_of(*used, prices)
    for total, amount in sums.items():
        cost.set(amount, total.model, total.label, prices.currency if prices else "")
    return cost


def _counter(name: str, words: str, *labels: str) -> _MetricSeries:
    return _MetricSeries(name, words, ("model", *labels), is_counter=True)


def _bounded(found: Iterator[tuple[Total, float]]) -> Iterator[tuple[Total, float]]:
    """The same, with the gates beyond `MOST_GATES` of a model added up as one: a label must not grow without end."""
    seen: dict[str, int] = {}
    rest: dict[Total, float] = {}
    for total, amount in found:
        if total.name != totals.REFUSED_GATES:
            yield total, amount
            continue
        seen[total.model] = seen.get(total.model, 0) + 1
        if total.label == totals.OTHER or seen[total.model] > MOST_GATES:
            other = Total(total.name, total.model, totals.OTHER)
            rest[other] = rest.get(other, 0.0) + amount
        else:
            yield total, amount
    yield from rest.items()


def _of_installation(journal: Journal, now: datetime) -> Iterator[_MetricSeries]:
    alerts = _MetricSeries("installation_alerts_open", "Alerts that last and are about no model.", ("severity",))
    found = open_alerts(journal).get("", {})
    for severity in SEVERITIES:
        alerts.set(found.get(severity, 0), severity)
    backup = _MetricSeries("installation_backup_age_seconds", "Since the newest snapshot.", ("subject",))
    drill = _MetricSeries("installation_drill_age_seconds", "Since the last drill that restored it.", ("subject",))
    restore = _MetricSeries("drill_restore_seconds", "How long the newest drill took to restore.", ("subject",))
    for subject, (_, newest) in snapshot_times(journal).items():
        if not _is_model(subject):
            backup.set(now - newest, subject)
    for subject, last in proven_times(journal).items():
        if not _is_model(subject):
            drill.set(now - last, subject)
    for kind, seconds in _slowest(last_restores(journal)).items():
        restore.set(seconds, kind)
    yield from (alerts, backup, drill, restore)


def _slowest(seconds: Mapping[str, float]) -> dict[str, float]:
    """By kind of subject the one that took longest: subjects of models are as many as models."""
    found: dict[str, float] = {}
    for subject, one in seconds.items():
        kind = subject.partition("/")[0]
        found[kind] = max(one, found.get(kind, 0.0))
    return found


def _is_model(subject: str) -> bool:
    return subject.partition("/")[0] in SUBJECTS


def _number(version: str) -> float | None:
    return float(version) if version.isdigit() else None
