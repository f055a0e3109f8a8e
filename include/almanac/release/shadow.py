"""Judges a version in shadow: its predictions and the champion's, against the labels that have arrived."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Shadow
from almanac.data.table.dataset import DatasetTable
from almanac.features.labels import labels
from almanac.features.split_groups import split_groups
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.errors import mlflow_errors
from almanac.registry.records import PASSED, REFUSED, SHADOW, ModelVersion, Tag
from almanac.release.promotion import set_shadow
from almanac.scoring.predictions import TIME, PredictionTable
from almanac.statistics.profile import ReferenceProfile
from almanac.statistics.tasks import task_of
from almanac.training.backtest.backtest import GROUP
from almanac.training.policy import counting_columns

if TYPE_CHECKING:
    import polars as pl

    from almanac.registry.store import Registry


@dataclass(frozen=True)
class ShadowResult:
    """The state of a version in shadow.

    Attributes:
        version: its number; empty: none is in shadow.
        decided: whether enough labels have arrived.
        accepted: whether it is not worse than the champion.
        reasons: the verdict in words.
        figures: agreement, metric of both, interval of the difference, latency of both in µs, rows.
    """

    version: str
    decided: bool
    accepted: bool
    reasons: tuple[str, ...]
    figures: dict[str, float] = field(default_factory=dict)


def judge_shadow(
    model: Model, home: Home, registry: "Registry", journal: Journal, *, run: RunRef, now: datetime
) -> ShadowResult:
    """Compare the version in shadow with the champion on rows that both have scored and whose label is known.

    With `shadow.rows` of them the version is judged by the champion gate's measure: see `hold_against`. It passes when
    it is as good: whether there is a reason to replace the champion, the gate has decided. The verdict goes to the
    journal and to the version's MLflow run and tags, and ends shadow scoring; `route` decides the next step.

    Args:
        model: declares shadow and champion gate.
        home: where dataset and predictions are.
        registry: holds both versions.
        journal: takes the verdict.
        run: who asks.
        now: aware; labels that become true after it are not known.

    Raises:
        DataError: there is no dataset.
        TransientError: a store is not available.
    """
    shadow, champion = registry.by_alias(model.name, SHADOW), registry.champion(model.name)
    if model.shadow is None or shadow is None or champion is None or shadow.version == champion.version:
        return ShadowResult("", False, False, ("no version is in shadow",))
    rows = _rows(model, home, registry, shadow, champion, now)
    if rows.height < model.shadow.rows:
        waits = f"{rows.height} labelled rows are scored by both, {model.shadow.rows} are needed"
        return ShadowResult(shadow.version, False, False, (waits,), {"rows": float(rows.height)})
    result = _judge(model, model.shadow, rows, shadow, champion)
    _record(registry, journal, model, shadow, champion, result, run, now)
    return result


def _rows(
    model: Model, home: Home, registry: "Registry", shadow: ModelVersion, champion: ModelVersion, now: datetime
) -> "pl.DataFrame":
    """`time`, `label`, `answer` of the shadow, `reference` of the champion, and both latencies, by time."""
    import polars as pl

    since = max(ReferenceProfile.from_json(registry.load_profile(one)).until for one in (shadow, champion))
    tables = PredictionTable.shadow_of(home, model), PredictionTable.of(home, model)
    ours, theirs = (
        table.read(one.version, since=since, until=now) for table, one in zip(tables, (shadow, champion), strict=True)
    )
    empty = pl.DataFrame(schema={"time": pl.Datetime("us", "UTC"), "label": pl.Int8})
    if not ours.height or not theirs.height:
        return empty
    frame = DatasetTable.of(home, model).read(columns=list(counting_columns(model)), since=since)
    time, keys = model.dataset.time, [key for key in model.dataset.key if key != model.dataset.time]
    groups = split_groups(model, frame)
    known = frame.select(
        pl.col(time).alias(TIME),
        *keys,
        labels(model, frame, now=now).alias("label"),
        *([] if groups is None else [pl.Series(GROUP, groups)]),
    ).drop_nulls("label")
    on = [TIME, *keys]
    task = task_of(model.label)
    own = ours.select(*on, task.read(ours, "answer"), "latency_us")
    other = theirs.select(*on, task.read(theirs, "reference"), pl.col("latency_us").alias("reference_latency_us"))
    joined = known.join(own, on=on, how="inner").join(other, on=on, how="inner")
    return joined.drop_nulls(["answer", "reference"]).sort(on)


def _judge(
    model: Model, declared: Shadow, rows: "pl.DataFrame", shadow: ModelVersion, champion: ModelVersion
) -> ShadowResult:
    from almanac.release.gates.champion import hold_against
    from almanac.statistics import metrics
    from almanac.statistics.bootstrap import paired_interval

    gate, label = model.gates.champion, rows["label"].to_numpy()
    own, reference = rows["answer"].to_numpy(), rows["reference"].to_numpy()
    figures = {
        "rows": float(rows.height),
        "agreement": _agreement(model, rows, shadow, champion),
        "latency_us": float(rows["latency_us"].to_numpy().mean()),
        "champion.latency_us": float(rows["reference_latency_us"].to_numpy().mean()),
    }
    try:
        figures[gate.metric] = metrics.measure(gate.metric, label, own, threshold=shadow.threshold)
        figures[f"champion.{gate.metric}"] = metrics.measure(
            gate.metric, label, reference, threshold=champion.threshold
        )
        interval = paired_interval(
            gate.metric,
            rows.select("time", "label", "answer", *(name for name in (GROUP,) if name in rows.columns)),
            reference,
            resamples=gate.resamples,
            confidence=gate.confidence,
            seed=model.train.seed,
            thresholds=(shadow.threshold, champion.threshold),
        )
    except metrics.UndefinedMetricError as error:  # refused, as by a gate
        return ShadowResult(shadow.version, True, False, (f"in shadow: cannot be measured: {error}",), figures)
    figures |= {"difference": interval.observed, "difference.low": interval.low, "difference.high": interval.high}
    verdict = hold_against(gate, interval, "it has passed its gates")
    words = (
        f"in shadow: {gate.metric} {figures[gate.metric]:.4f} against {figures[f'champion.{gate.metric}']:.4f} of "
        f"champion {champion.version} on {rows.height} labelled rows, difference {interval.observed:+.4f}, "
        f"{gate.confidence:.0%} interval {interval.low:+.4f} to {interval.high:+.4f}: {verdict.words}; "
        f"predictions agree on {figures['agreement']:.1%}; {figures['latency_us']:.1f} µs a row "
        f"against {figures['champion.latency_us']:.1f}"
    )
    return ShadowResult(shadow.version, True, verdict.passed, (words,), figures)


def _agreement(model: Model, rows: "pl.DataFrame", shadow: ModelVersion, champion: ModelVersion) -> float:
    """The share of rows with the same label, or with numbers near each other."""
    own, reference = rows["answer"].to_numpy(), rows["reference"].to_numpy()
    far = model.gates.variation.differs_by * float(rows["label"].to_numpy().std())
    differs = task_of(model.label).differ(own, reference, thresholds=(shadow.threshold, champion.threshold), far=far)
    return float((~differs).mean())


def _record(
    registry: "Registry",
    journal: Journal,
    model: Model,
    shadow: ModelVersion,
    champion: ModelVersion,
    result: ShadowResult,
    run: RunRef,
    now: datetime,
) -> None:
    """Record the verdict. Shadow scoring ends last, so that a retry after a crash records it again."""
    name, number = model.name, shadow.version
    tags = {
        Tag.SHADOW: PASSED if result.accepted else REFUSED,
        Tag.SHADOW_AGAINST: champion.version,
        Tag.SHADOW_REASON: "; ".join(result.reasons),
    }
    with mlflow_errors(f"{name}@{number}: verdict of the shadow"):
        for figure, value in result.figures.items():
            registry.client.log_metric(shadow.mlflow_run_id, f"shadow.{figure}", value)
        for tag, text in tags.items():
            registry.client.set_model_version_tag(name, number, tag.value, text)
    subject = f"{name}@{number}"
    if not journal.decisions(name, DecisionKind.SHADOW, subject=subject, limit=1):
        journal.record_decision(
            Decision(name, DecisionKind.SHADOW, result.accepted, result.reasons, now, run, subject, result.figures)
        )
    set_shadow(registry, name, None, reason="; ".join(result.reasons), run=run, journal=journal, now=now)
