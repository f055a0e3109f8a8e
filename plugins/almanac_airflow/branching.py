"""How the graph goes on after a version is registered: tasks that are not needed are skipped without being started."""

from typing import TYPE_CHECKING, NoReturn

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow.operators.approval import COMPARISON

if TYPE_CHECKING:
    from almanac.release.approval import Desk

APPROVE, PROMOTE = "approve", "promote"
_RETURNED = "return_value"


def desk(model: Model, home: Home, version: str) -> "Desk":
    """What the running task needs to decide about a version."""
    from almanac.journal.journal import Journal
    from almanac.registry.store import Registry
    from almanac.release.approval import Desk
    from almanac_airflow.runs import current_run, now

    return Desk(model, version, home, Registry.of(home), Journal(home.journal_url), current_run(), now())


def go_on(at: "Desk", *, by_hand: str = "") -> str:
    """Leave the way open that the version takes: ask a person, promote, or neither. Call it last in a task.

    A task that is skipped by another one costs no process: asking nobody must not cost a second.

    Args:
        at: which version.
        by_hand: why a person started this run to promote it, and why that person cannot decide alone: somebody is
            asked then whatever the rule says, unless it promotes anyway.

    Returns:
        The version, when a person is asked; the comparison is then in XCom.

    Raises:
        DownstreamTasksSkipped: Airflow's word for the other two; the version is in XCom by then.
    """
    from almanac.release.comparison import compare
    from almanac.release.route import Route, Way, find_route, route

    model, version = at.model, at.version
    if by_hand:
        found = find_route(model, at.registry, at.journal, version)
        found = found if found.way is Way.PROMOTE else Route(Way.ASK, (f"by hand: {by_hand}", *found.reasons))
    else:
        found = route(model, at.registry, at.journal, version, run=at.run, now=at.now)
    print(f"{at.subject}: {found.way}: {'; '.join(found.reasons)}")  # noqa: T201 - the task's log
    task = get_current_context()["ti"]
    if found.way is Way.ASK:
        task.xcom_push(COMPARISON, compare(model, at.home, at.registry, version, reasons=found.reasons, now=at.now))
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
