"""One model at a glance, made from its declaration and the newest records of the journal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from almanac.config.schema import Declared, Model
from almanac.config.sections.costs import Prices
from almanac.control.planned_runs import PlannedRun, planned_runs
from almanac.costs.amounts import Cost, cost_of
from almanac.costs.ledger import Ledger, Used, month_of
from almanac.journal.backup_times import proven_times, snapshot_times
from almanac.journal.journal import Journal
from almanac.journal.newest import CHALLENGER, CHAMPION, Judged, Moved, NewestRecords, newest_records, open_alerts
from almanac.journal.records import DecisionKind, RolloutTransition

SubjectKind = Literal["dataset", "model", "outputs"]
SUBJECTS: tuple[SubjectKind, ...] = ("dataset", "model", "outputs")
STATES = ("critical", "warning", "late", "stopped", "new", "fine")  # the worst first


@dataclass(frozen=True)
class AliasState:
    """A version that has an alias, and since when."""

    version: str
    since: datetime


@dataclass(frozen=True)
class LastTraining:
    """The newest decision about a training."""

    at: datetime
    accepted: bool
    reason: str


@dataclass(frozen=True)
class OpenRollout:
    """A version that takes over step by step.

    Attributes:
        version: that takes over.
        state: where it stands.
        step: 0: it answers nobody yet.
        steps: how many are declared; 0: none is, any more.
        share: of units that it answers.
        since: when it got there.
    """

    version: str
    state: str
    step: int
    steps: int
    share: float
    since: datetime


@dataclass(frozen=True)
class ModelSummary:
    """One row of the start page.

    Attributes:
        state: the worst of `STATES` that is true.
        champion, challenger, shadow: None: there is none.
        rollout: of the next version; None: none is under way.
        metric: the figure that the gates compare with baselines; empty: of a forecast.
        figure, baseline: of the champion and of the best baseline on the hold-out; None: the journal has none.
        lower_is_better: of the metric.
        figures: the same of the newest candidates, the oldest first.
        performance: the monitor's figures of newest windows, the oldest first.
        drift: how many columns have drifted in these windows, the oldest first.
        newest_row: the end of the newest published rows, in event time.
        max_age: how old they may be; None: not watched.
        is_late: they are older.
        alerts: open ones by severity.
        snapshots: age of the newest snapshot of dataset, model and outputs, as far as there are any.
        drills: the same since the last good drill.
        cpu_hours_this_month: of its tasks, in the month of now, UTC.
        cost_this_month: what they cost; None: no prices are declared.
        currency: of the cost; empty: no prices.
    """

    name: str
    title: str
    owner: str
    tags: tuple[str, ...]
    enabled: bool
    state: str
    champion: AliasState | None
    challenger: AliasState | None
    shadow: AliasState | None
    rollout: OpenRollout | None
    metric: str
    figure: float | None
    baseline: float | None
    lower_is_better: bool
    figures: tuple[float, ...]
    performance: tuple[float, ...]
    drift: tuple[float, ...]
    dataset_version: int | None
    published_at: datetime | None
    newest_row: datetime | None
    max_age: timedelta | None
    is_late: bool
    training: LastTraining | None
    scoring_stopped: bool
    planned_runs: tuple[PlannedRun, ...]
    alerts: Mapping[str, int]
    snapshots: Mapping[str, timedelta]
    drills: Mapping[str, timedelta]
    cpu_hours_this_month: float
    cost_this_month: float | None
    currency: str

    @property
    def oldest_snapshot(self) -> timedelta | None:
        """The age of the newest snapshot of whichever part was backed up longest ago."""
        return max(self.snapshots.values(), default=None)

    @property
    def oldest_drill(self) -> timedelta | None:
        """Likewise of the drills."""
        return max(self.drills.values(), default=None)


def summarize(
    models: Sequence[Declared], journal: Journal, now: datetime, prices: Prices | None = None
) -> tuple[ModelSummary, ...]:
    """A summary of each model, in their order; without prices no costs.

    Raises:
        TransientError: the journal is unreachable.
    """
    records = newest_records(journal, [model.name for model in models])
    owners = newest_records(journal, sorted({model.dataset_owner for model in models} - records.keys()))
    alerts = open_alerts(journal)
    snapshots = {subject: now - newest for subject, (_, newest) in snapshot_times(journal).items()}
    drills = {subject: now - last for subject, last in proven_times(journal).items()}
    used = Ledger(journal).of_month(month_of(now))
    return tuple(
        _summary(
            model,
            records[model.name],
            (records if model.dataset_owner in records else owners)[model.dataset_owner],
            alerts.get(model.name, {}),
            snapshots,
            drills,
            cost_of(used.get(model.name, Used(model.name, 0, 0.0, 0.0, 0.0)), prices),
            prices.currency if prices else "",
            now,
        )
        for model in models
    )


def _summary(
    model: Declared,
    records: NewestRecords,
    data: NewestRecords,
    alerts: Mapping[str, int],
    snapshots: Mapping[str, timedelta],
    drills: Mapping[str, timedelta],
    cost: Cost,
    currency: str,
    now: datetime,
) -> ModelSummary:
    from almanac.statistics.metrics import LOWER_IS_BETTER

    metric = model.gates.baselines.metric if isinstance(model, Model) else None
    max_age = model.monitor.supply.max_age if isinstance(model, Model) and model.is_owner else None
    late = max_age is not None and data.newest_row is not None and now - data.newest_row > max_age
    gates, key = records.champion_gates, f"baselines[{metric}]"
    training, scoring = records.newest(DecisionKind.TRAINING), records.newest(DecisionKind.SCORING)
    stopped = scoring is not None and not scoring.accepted
    champion = _alias(records.aliases.get(CHAMPION))
    watched = _oldest_first(records.judged.get(DecisionKind.RETRAIN_REQUEST, ()))
    watched_by = f"performance.{model.monitor.performance.metric}" if isinstance(model, Model) else ""
    return ModelSummary(
        name=model.name,
        title=model.title,
        owner=model.owner,
        tags=model.tags,
        enabled=model.enabled,
        state=_state(alerts, is_late=late, is_stopped=stopped, is_new=champion is None),
        champion=champion,
        challenger=_alias(records.aliases.get(CHALLENGER)),
        shadow=_alias(records.aliases.get("shadow")),
        rollout=_rollout(model, records.rollout),
        metric=metric or "",
        figure=gates.figures.get(key) if gates else None,
        baseline=gates.figures.get(f"{key}.baseline") if gates else None,
        lower_is_better=metric in LOWER_IS_BETTER,
        figures=_figures(_oldest_first(records.judged.get(DecisionKind.GATES, ())), key),
        performance=_figures(watched, watched_by),
        drift=_figures(watched, "drifted_columns"),
        dataset_version=data.dataset_version,
        published_at=data.published_at,
        newest_row=data.newest_row,
        max_age=max_age,
        is_late=late,
        training=None if training is None else LastTraining(training.at, training.accepted, _first(training.reasons)),
        scoring_stopped=stopped,
        planned_runs=planned_runs(model, now),
        alerts=dict(alerts),
        snapshots=_of_model(model, snapshots),
        drills=_of_model(model, drills),
        cpu_hours_this_month=cost.cpu_hours,
        cost_this_month=cost.amount,
        currency=currency,
    )


def _state(alerts: Mapping[str, int], *, is_late: bool, is_stopped: bool, is_new: bool) -> str:
    true = {
        "critical": bool(alerts.get("critical")),
        "warning": bool(alerts.get("warning")),
        "late": is_late,
        "stopped": is_stopped,
        "new": is_new,
        "fine": True,
    }
    return next(state for state in STATES if true[state])


def _alias(moved: Moved | None) -> AliasState | None:
    return AliasState(moved.version, moved.at) if moved is not None and moved.version else None


def _rollout(model: Declared, at: RolloutTransition | None) -> OpenRollout | None:
    if at is None or not at.is_open:
        return None
    declared = model.rollout if isinstance(model, Model) else None
    steps = 0 if declared is None else len(declared.steps)
    return OpenRollout(at.version, at.state.replace("_", " "), at.step, steps, at.share, at.changed_at)


def _of_model(model: Declared, ages: Mapping[str, timedelta]) -> dict[str, timedelta]:
    names = {kind: model.dataset_owner if kind == "dataset" else model.name for kind in SUBJECTS}
    return {kind: ages[f"{kind}/{name}"] for kind, name in names.items() if f"{kind}/{name}" in ages}


def _oldest_first(judged: Sequence[Judged]) -> list[Judged]:
    return list(reversed(judged))


def _figures(judged: Iterable[Judged], key: str) -> tuple[float, ...]:
    return tuple(float(one.figures[key]) for one in judged if key in one.figures)


def _first(reasons: Sequence[str]) -> str:
    return reasons[-1] if reasons else ""
