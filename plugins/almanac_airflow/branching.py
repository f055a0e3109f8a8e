"""How the graph goes on after a version is registered: tasks that are not needed are skipped without being started."""

from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from almanac_airflow.operators.approval import COMPARISON, PromotionApprovalOperator
from almanac_airflow.operators.base import RESULT
from almanac_airflow.operators.release import PromoteModelOperator

if TYPE_CHECKING:
    from almanac.release.approval import Desk


def go_on(at: "Desk", *, by_hand: str = "") -> str:
    """Choose which tasks run next for a version: ask a person, promote, or neither. Call it last in a task.

    A task that is skipped by another one needs no process: a run in which nobody is asked must not wait for one.

    Args:
        at: which version.
        by_hand: why a person started this run to promote it, and why that person cannot decide alone: somebody is
            asked then whatever the rule says, unless it promotes anyway.

    Returns:
        The version, when a person is asked; the comparison is then in XCom. Also where nothing follows to be skipped.

    Raises:
        DownstreamTasksSkipped: in the other two cases; the version is in XCom by then.
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
        return skip_approval(version)
    return _skip(version, PromotionApprovalOperator, PromoteModelOperator)


def skip_approval(version: str) -> str:
    """Skip the question and go on to the promotion; see `go_on`.

    Raises:
        DownstreamTasksSkipped: this is how Airflow skips tasks.
    """
    return _skip(version, PromotionApprovalOperator)


def _skip(version: str, *kinds: type) -> str:
    """Skip the tasks of these kinds that follow, whatever their ids are."""
    context = get_current_context()
    following = [one.task_id for one in context["task"].get_flat_relatives() if isinstance(one, kinds)]
    if not following:
        return version
    context["ti"].xcom_push(RESULT, version)
    raise DownstreamTasksSkipped(tasks=sorted(following))
