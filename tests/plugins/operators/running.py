"""A running task, as far as an operator asks Airflow for it."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from airflow.sdk.execution_time.context import set_current_context


class Posted:
    """Events of an asset that nobody has emitted yet."""

    def ascending(self, _: bool) -> "Posted":
        return self

    def limit(self, _: int) -> list[Any]:
        return []


def context_of_task(dag_id: str = "their_dag", run_id: str = "manual__1", **params: Any) -> dict[str, Any]:
    """Airflow's context of a run by hand; `outlet_events` and `pushed` hold what the task leaves."""
    pushed: dict[str, Any] = {}
    run = SimpleNamespace(
        dag_id=dag_id,
        run_id=run_id,
        run_type=SimpleNamespace(value="manual"),
        triggering_user_name="ada",
        partition_key=None,
    )
    task = SimpleNamespace(
        try_number=1, log_url="", xcom_push=lambda key, value: pushed.update({key: value}), dag_id=dag_id
    )
    return {
        "params": params,
        "dag_run": run,
        "ti": task,
        "task": SimpleNamespace(get_flat_relatives=list),
        "triggering_asset_events": {},
        "inlet_events": defaultdict(Posted),
        "outlet_events": defaultdict(SimpleNamespace),
        "pushed": pushed,
    }


def run(operator: Any, context: dict[str, Any], **more: Any) -> Any:
    """Render the fields and do the work, as a worker does; Airflow's own copy of the context is set meanwhile."""
    with running(context):
        operator.render_template_fields(context)
        return operator.execute(context, **more)


@contextmanager
def running(context: dict[str, Any]) -> Iterator[None]:
    with set_current_context(context):  # type: ignore[arg-type]
        yield


def extras(context: dict[str, Any]) -> dict[str, Any]:
    """What the events of the task's assets carry, by asset."""
    return {asset.name: event.extra for asset, event in context["outlet_events"].items()}
