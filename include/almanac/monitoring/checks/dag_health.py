"""How the model's own DAGs run: failures, retries, slow tasks, waits for a worker, runs that never began.

Asked of Airflow's public REST API, because tasks must not touch its database. Where Airflow cannot be asked, the
finding is *insufficient* and says so. A run that lasts too long is told by Airflow's deadline alerts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.errors import AlmanacError
from almanac.monitoring.findings import Condition, Finding, State

_MIN_ENDED = 5
# They fail on purpose, to say that files or events were refused: that has alerts of its own.
_VERDICTS = frozenset({"report_rejections", "report_refusals"})
_SLOWEST_MATTER_S = 10.0  # a task of seconds that took some seconds more is nobody's concern
_SLOWEST_ROW_MATTERS_US = 1000.0


@dataclass(frozen=True)
class TaskTiming:
    """One task of one run, its last try. Times are None where they are not known; `run_id` tells runs apart."""

    task_id: str
    state: str
    tries: int
    started_at: datetime | None
    duration_s: float | None
    queued_s: float | None
    run_id: str = ""


@dataclass(frozen=True)
class NextRun:
    """When a DAG's next scheduled run should begin; None: it has no schedule."""

    paused: bool
    due_at: datetime | None


class TaskHistory(Protocol):
    """Where task runs are listed."""

    def task_runs(self, dag_id: str, *, limit: int) -> Sequence[TaskTiming]:
        """The newest task runs of a DAG, in any order."""

    def timing(self, dag_id: str) -> NextRun:
        """When the DAG's next run is due."""


def judge_dag_health(model: Model, history: TaskHistory | None, now: datetime) -> tuple[Finding, ...]:
    """One finding for each DAG of the model that ran within `running.window`, or should have.

    Args:
        model: declares the limits.
        history: None: Airflow cannot be asked.
        now: aware.
    """
    limits = model.monitor.running
    if not limits.enabled:
        return ()
    if history is None:
        text = "Airflow's REST API is not reachable from here with this home's credentials"
        return (Finding(Condition.RUNNING, State.INSUFFICIENT, "airflow", text),)
    findings = []
    few: dict[str, str] = {}
    for kind in model.pipeline_kinds:
        dag_id = f"{kind}_{model.name}"
        try:
            runs, timing = history.task_runs(dag_id, limit=200), history.timing(dag_id)
        except AlmanacError as error:
            findings.append(Finding(Condition.RUNNING, State.INSUFFICIENT, dag_id, f"{dag_id}: {error}"))
            continue
        off = kind in model.pipelines and model.pipelines[kind].enabled is False
        judged = _judge(model, dag_id, runs, now)
        found = (None if off else _judge_timing(model, dag_id, timing, now), judged)
        findings += [finding for finding in found if finding is not None]
        if judged is None and not off:
            few[dag_id] = f"{dag_id} {len(_ended(model, runs, now))}"
    return (*findings, *_too_few(model, few))


def _too_few(model: Model, few: Mapping[str, str]) -> tuple[Finding, ...]:
    """That nothing can be said of DAGs that hardly ran: neither that they are fine, nor that a fault is over."""
    if not few:
        return ()
    within = format_duration(model.monitor.running.window)
    text = f"fewer than {_MIN_ENDED} tasks ended within {within}, too few to judge: {', '.join(few.values())}"
    return (Finding(Condition.RUNNING, State.INSUFFICIENT, "DAGs", text, about=tuple(few)),)


def judge_latency(model: Model, medians_us: Sequence[float | None]) -> tuple[Finding, ...]:
    """The time to score a row in the newest window against that of the windows before; insufficient when not known.

    Args:
        model: declares the factor.
        medians_us: of each window, the oldest first; None: nothing was scored.
    """
    known = [value for value in medians_us[:-1] if value is not None]
    newest = medians_us[-1] if medians_us else None
    if not model.monitor.running.enabled or not medians_us:
        return ()
    if newest is None or not known:
        text = "nothing was scored in the newest window" if newest is None else "no earlier window was scored"
        text = f"the time to score a row cannot be compared: {text}"
        return (Finding(Condition.RUNNING, State.INSUFFICIENT, "latency", text, about=("latency",)),)
    usual, factor = median(known), model.monitor.running.slow_factor
    slow = newest > factor * usual and newest > _SLOWEST_ROW_MATTERS_US
    text = f"scoring a row takes {newest:.0f} µs, {usual:.0f} are usual, limit {factor:g} times as long"
    figures = {"latency_us": newest, "usual_us": usual}
    return (Finding(Condition.RUNNING, State.WARNING if slow else State.FINE, "latency", text, figures),)


def _judge_timing(model: Model, dag_id: str, timing: NextRun, now: datetime) -> Finding | None:
    """A run that should have begun, or a DAG that is paused; the clock of a paused one stands still."""
    if timing.paused:
        text = f"{dag_id} is paused: nothing triggers it, although the model's YAML enables it"
        return Finding(Condition.RUNNING, State.WARNING, f"{dag_id} timing", text)
    limit = model.monitor.running.max_overdue
    if timing.due_at is None or now - timing.due_at <= limit:
        return None
    text = (
        f"{dag_id}: the run of {timing.due_at:%Y-%m-%d %H:%M} UTC has not begun"
        f" (limit {format_duration(limit)} late): is the scheduler up, or does an earlier run block it?"
    )
    return Finding(Condition.RUNNING, State.ALARM, f"{dag_id} timing", text, since=timing.due_at)


def _judge(model: Model, dag_id: str, runs: Sequence[TaskTiming], now: datetime) -> Finding | None:
    limits = model.monitor.running
    recent, ended = _recent(model, runs, now), _ended(model, runs, now)
    if len(ended) < _MIN_ENDED:
        return None
    failed = [run for run in ended if run.state == "failed"]
    retried = [run for run in ended if run.tries > 1]
    slow = _slow(ended, runs, limits.slow_factor)
    waits = [run.queued_s for run in recent if run.queued_s is not None]
    longest = timedelta(seconds=max(waits, default=0.0))
    share, share_retried = len(failed) / len(ended), len(retried) / len(ended)
    reasons = [
        f"{len(failed)} of {len(ended)} tasks failed (limit {limits.max_failed:.0%}), {len(retried)} were retried"
    ]
    reasons += slow
    if share_retried > limits.max_retried:
        reasons.append(f"{share_retried:.0%} of the tasks were retried (limit {limits.max_retried:.0%})")
    if longest > limits.max_queued:
        reasons.append(f"a task waited {longest} for a worker (limit {format_duration(limits.max_queued)})")
    state = State.FINE if len(reasons) == 1 else State.WARNING
    if share > limits.max_failed:
        state = State.ALARM
    figures = {"failed": share, "retried": share_retried, "longest_wait_s": longest.total_seconds()}
    return Finding(Condition.RUNNING, state, dag_id, f"{dag_id}: {'; '.join(reasons)}", figures)


def _recent(model: Model, runs: Sequence[TaskTiming], now: datetime) -> list[TaskTiming]:
    since = now - model.monitor.running.window
    return [run for run in runs if run.started_at is not None and run.started_at >= since]


def _ended(model: Model, runs: Sequence[TaskTiming], now: datetime) -> list[TaskTiming]:
    recent = _recent(model, runs, now)
    return [run for run in recent if run.state in ("success", "failed") and run.task_id not in _VERDICTS]


def _slow(ended: Sequence[TaskTiming], runs: Sequence[TaskTiming], factor: float) -> list[str]:
    """The newest run of each task against the median of those of its runs that had as much to do.

    A task that skips itself takes no time, and one that fetches or looks takes little in a run that then finds nothing
    to do: neither says how long the work takes. So a run counts when at least the tasks ended well in it that did in
    the newest one.
    """
    worked: dict[str, set[str]] = {}
    for run in runs:
        if run.state == "success":
            worked.setdefault(run.run_id, set()).add(run.task_id)
    found = []
    for task_id in sorted({run.task_id for run in ended}):
        newest = max((run for run in ended if run.task_id == task_id), key=lambda run: str(run.started_at))
        did = worked.get(newest.run_id, set())
        usual = [
            run.duration_s
            for run in runs
            if (run.task_id, run.state) == (task_id, "success") and run.duration_s is not None
            if worked[run.run_id] >= did
        ]
        if len(usual) < _MIN_ENDED or newest.duration_s is None or newest.duration_s < _SLOWEST_MATTER_S:
            continue
        if newest.duration_s > factor * median(usual):
            found.append(f"{task_id} took {newest.duration_s:.0f} s, {median(usual):.0f} s are usual")
    return found
