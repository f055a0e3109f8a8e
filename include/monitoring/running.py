"""How the model's own DAGs run: failures, retries, slow tasks and waits for a worker.

Asked of Airflow's public REST API, because tasks must not touch its database. Where the API cannot be reached with the
home's credentials, the finding is *insufficient* and says so. Late and missed schedules are Airflow's deadline alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from include.config.pipelines import KINDS
from include.config.schema import Model
from include.config.types import format_duration
from include.errors import AlmanacError
from include.monitoring.findings import Condition, Finding, State

_MIN_ENDED = 5
_SLOWEST_MATTER_S = 10.0  # a task of seconds that took some seconds more is nobody's concern


@dataclass(frozen=True)
class TaskRun:
    """One task of one run, its last try. Times are None where they are not known."""

    task_id: str
    state: str
    tries: int
    started_at: datetime | None
    duration_s: float | None
    queued_s: float | None


class TaskHistory(Protocol):
    """Where task runs are listed."""

    def task_runs(self, dag_id: str, *, limit: int) -> Sequence[TaskRun]:
        """The newest task runs of a DAG, in any order."""


def judge_running(model: Model, history: TaskHistory | None, now: datetime) -> tuple[Finding, ...]:
    """One finding for each DAG of the model that ran within `running.window`.

    Args:
        model: declares the limits.
        history: None: nobody can be asked.
        now: aware.
    """
    limits = model.monitor.running
    if not limits.enabled:
        return ()
    if history is None:
        text = "Airflow's REST API is not reachable from here with this home's credentials"
        return (Finding(Condition.RUNNING, State.INSUFFICIENT, "airflow", text),)
    findings = []
    for kind in KINDS:
        dag_id = f"{kind}_{model.name}"
        try:
            runs = history.task_runs(dag_id, limit=200)
        except AlmanacError as error:
            findings.append(Finding(Condition.RUNNING, State.INSUFFICIENT, dag_id, f"{dag_id}: {error}"))
            continue
        found = _judge(model, dag_id, runs, now)
        if found is not None:
            findings.append(found)
    return tuple(findings)


def _judge(model: Model, dag_id: str, runs: Sequence[TaskRun], now: datetime) -> Finding | None:
    limits = model.monitor.running
    recent = [run for run in runs if run.started_at is not None and run.started_at >= now - limits.window]
    ended = [run for run in recent if run.state in ("success", "failed")]
    if len(ended) < _MIN_ENDED:
        return None
    failed = [run for run in ended if run.state == "failed"]
    retried = [run for run in ended if run.tries > 1]
    slow = _slow(ended, runs, limits.slow_factor)
    waits = [run.queued_s for run in recent if run.queued_s is not None]
    longest = timedelta(seconds=max(waits, default=0.0))
    share = len(failed) / len(ended)
    reasons = [
        f"{len(failed)} of {len(ended)} tasks failed (limit {limits.max_failed:.0%}), {len(retried)} were retried"
    ]
    reasons += slow
    if longest > limits.max_queued:
        reasons.append(f"a task waited {longest} for a worker (limit {format_duration(limits.max_queued)})")
    state = State.FINE if len(reasons) == 1 else State.WARNING
    if share > limits.max_failed:
        state = State.ALARM
    figures = {"failed": share, "retried": len(retried) / len(ended), "longest_wait_s": longest.total_seconds()}
    return Finding(Condition.RUNNING, state, dag_id, f"{dag_id}: {'; '.join(reasons)}", figures)


def _slow(ended: Sequence[TaskRun], runs: Sequence[TaskRun], factor: float) -> list[str]:
    """The newest run of each task against the median of all its runs."""
    found = []
    for task_id in sorted({run.task_id for run in ended}):
        usual = [run.duration_s for run in runs if run.task_id == task_id and run.duration_s is not None]
        newest = max((run for run in ended if run.task_id == task_id), key=lambda run: str(run.started_at))
        if len(usual) < _MIN_ENDED or newest.duration_s is None or newest.duration_s < _SLOWEST_MATTER_S:
            continue
        if newest.duration_s > factor * median(usual):
            found.append(f"{task_id} took {newest.duration_s:.0f} s, {median(usual):.0f} s are usual")
    return found
