"""How the graph goes on after a version is registered: tasks that are not needed are skipped without being started."""

from datetime import datetime
from typing import TYPE_CHECKING, NoReturn

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from almanac.operators.approval import COMPARISON
from include.config.home import Home
from include.config.schema import Model
from include.journal.records import RunRef

if TYPE_CHECKING:
    from include.journal.journal import Journal
    from include.registry.store import Registry

APPROVE, PROMOTE = "approve", "promote"
_RETURNED = "return_value"


def go_on(
    model: Model, home: Home, registry: "Registry", journal: "Journal", version: str, *, run: RunRef, now: datetime
) -> str:
    """Leave the way open that the version takes: ask a person, promote, or neither. Call it last in a task.

    A task that is skipped by another one costs no process: asking nobody must not cost a second.

    Returns:
        The version, when a person is asked; the comparison is then in XCom.

    Raises:
        DownstreamTasksSkipped: Airflow's word for the other two; the version is in XCom by then.
    """
    from include.registry.approval import Way, route
    from include.registry.comparison import compare

    found = route(model, registry, journal, version, run=run, now=now)
    print(f"{model.name}@{version}: {found.way}: {'; '.join(found.reasons)}")  # noqa: T201 - the task's log
    task = get_current_context()["ti"]
    if found.way is Way.ASK:
        task.xcom_push(COMPARISON, compare(model, home, registry, version, reasons=found.reasons, now=now))
        return version
    if found.way is Way.PROMOTE:
        ask_nobody(version)
    task.xcom_push(_RETURNED, version)
    raise DownstreamTasksSkipped(tasks=[APPROVE, PROMOTE])


def ask_nobody(version: str) -> NoReturn:
    """Leave the way to the promotion open; see `go_on`.

    Raises:
        DownstreamTasksSkipped: Airflow's word for it.
    """
    get_current_context()["ti"].xcom_push(_RETURNED, version)
    raise DownstreamTasksSkipped(tasks=[APPROVE])
