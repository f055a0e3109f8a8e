"""How the graph goes on after a task: following tasks that are not needed are skipped without being started."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskInstanceState, get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from almanac.config.schema import Declared
from almanac.errors import PermanentError
from almanac_airflow.notifiers.alert import EndNotifier
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


def start_only(model: Declared, wanted: Collection[str], among: Collection[str], result: Any) -> Any:
    """Go on with some of the tasks that follow, and skip the others. Call it last in a task.

    A task that is skipped has nothing to do: an alert about an earlier failure of it ends.

    Args:
        model: whose tasks.
        wanted: ids of the tasks that are needed.
        among: ids of all that are started or skipped here; those that the DAG does not have are not regarded.
        result: what the task returns; it is in XCom also where tasks are skipped.

    Raises:
        DownstreamTasksSkipped: this is how Airflow skips tasks.
        PermanentError: an earlier try, killed as it ended, has skipped a task that is needed by now.
    """
    context = get_current_context()
    task: Any = context["ti"]
    if lost := _skipped_before(task, wanted):
        raise PermanentError(
            f"task {task.task_id} of run {task.run_id}: {', '.join(lost)} must run, but an earlier try of this task"
            " skipped it, and Airflow starts no skipped task. Clear this task together with its downstream tasks"
        )
    unwanted = (set(among) - set(wanted)) & set(context["task"].downstream_task_ids)
    if not unwanted:
        return result
    EndNotifier(model.name, model.alerts, tasks=unwanted).notify(context)
    raise _end_with_skipped(task, unwanted, result)


def _skipped_before(task: Any, wanted: Collection[str]) -> list[str]:
    """Tasks that are needed and that Airflow holds as skipped; in a first try there can be none."""
    if task.try_number == 1 or not wanted:
        return []
    states = task.get_task_states(dag_id=task.dag_id, task_ids=sorted(wanted), run_ids=[task.run_id])
    return sorted(name for name, state in states.get(task.run_id, {}).items() if state == TaskInstanceState.SKIPPED)


def _skip(version: str, *kinds: type) -> str:
    """Skip the tasks of these kinds that follow, whatever their ids are."""
    context = get_current_context()
    following = [one.task_id for one in context["task"].get_flat_relatives() if isinstance(one, kinds)]
    if not following:
        return version
    raise _end_with_skipped(context["ti"], following, version)


def _end_with_skipped(task: Any, following: Collection[str], result: Any) -> DownstreamTasksSkipped:
    """What to raise where tasks are skipped; the result is in XCom by then."""
    task.xcom_push(RESULT, result)
    return DownstreamTasksSkipped(tasks=sorted(following))
