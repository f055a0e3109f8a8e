"""Writes what each try of a task has used into the ledger; a listener of Airflow, which every task passes (ADR 116).

A task of Almanac is one of a DAG that `make_dag` made, or one of Almanac's operators in any DAG.
"""

import logging
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from airflow.listeners import hookimpl

from almanac.costs.usage import Usage, measure_usage

log = logging.getLogger(__name__)
_ZERO_CPU_S = 0.0


@dataclass(frozen=True)
class Account:
    """On whose account the tasks of a DAG go: `pipeline` is the kind of the DAG, `model` may be empty."""

    pipeline: str
    model: str


_accounts: dict[str, Account] = {}
"""By DAG id. The process of a task reads the DAG's file, so it knows the account of its own DAG."""


def open_account(dag_id: str, pipeline: str, model: str) -> None:
    """Say on whose account a DAG goes; `make_dag` does so for each."""
    _accounts[dag_id] = Account(pipeline, model)


@dataclass
class _Try:
    """The running try of a task. One at a time in a process; a fork of it that is no task has none."""

    start: Usage
    process: int
    task: Any = None
    state: str = "left"
    versions: list[str] = field(default_factory=list)


_running: _Try | None = None


def note_version(version: str) -> None:
    """Say which version of the model the running task is about, once it is known."""
    if _running is not None:
        _running.versions.append(version)


class UsageListener:
    """Measures from the start of a task's process until Airflow has ended the task. It never fails a task."""

    @hookimpl
    def on_starting(self, component: Any) -> None:
        """The process of a task starts, and of no other component; what it has used so far is the task's, too."""
        global _running
        if type(component).__name__ == "TaskRunnerMarker":
            now = measure_usage()
            _running = _Try(Usage(_ZERO_CPU_S, now.peak_bytes, now.clock_s), os.getpid())

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        """A try begins. Without a process of its own (`dag.test`) it is measured from here."""
        global _running
        if _running is None or _running.process != os.getpid() or _running.task is not None:
            _running = _Try(measure_usage(), os.getpid())
        _running.task = task_instance

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        """A try has succeeded."""
        _set_state("success")

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        """A try has failed, whether or not another one follows."""
        _set_state("failed")

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        """A try has found nothing to do."""
        _set_state("skipped")

    @hookimpl
    def before_stopping(self, component: Any) -> None:
        """Airflow has done all for this try: write it."""
        global _running
        done, _running = _running, None
        if done is None or done.task is None or done.process != os.getpid():
            return
        try:
            _write(done)
        except Exception as error:  # noqa: BLE001 - whatever it is: the work is done, and must not fail for it
            log.warning("the ledger has no row for this try: %s: %s", type(error).__name__, error)


def _set_state(state: str) -> None:
    if _running is not None:
        _running.state = state


def _write(done: _Try) -> None:
    from almanac.config.home import Home
    from almanac.config.patience import short_patience
    from almanac.costs.ledger import record_usage
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef, TaskUsage

    instance = done.task
    account = _account_of(instance)
    if account is None:
        return
    used, task = measure_usage().since(done.start), instance.task
    versions = done.versions or [text for text in [getattr(task, "version", None)] if isinstance(text, str)]
    row = TaskUsage(
        model=account.model,
        pipeline=account.pipeline,
        task_id=instance.task_id,
        map_index=-1 if instance.map_index is None else instance.map_index,
        state=done.state,
        version=versions[-1][:50] if versions else "",
        queue=str(getattr(task, "queue", "") or ""),
        ended_at=datetime.now(UTC),
        wall_s=used.clock_s,
        cpu_s=used.cpu_s,
        peak_bytes=used.peak_bytes,
        run=RunRef(instance.dag_id, instance.run_id, instance.try_number),
    )
    with short_patience():  # the worker is not held up by a journal that is away
        record_usage(Journal(Home().journal_url), row)


def _account_of(instance: Any) -> Account | None:
    """The account of a task; None: it is not one of Almanac's."""
    if found := _accounts.get(instance.dag_id):
        return found
    from almanac_airflow.operators.base import InstallationOperator

    if not isinstance(instance.task, InstallationOperator):
        return None
    return Account(instance.dag_id[:100], str(getattr(instance.task, "model", "") or ""))
