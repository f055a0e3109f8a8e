"""Buttons on tasks in Airflow's UI. The api-server computes them when a task is shown; workers store nothing."""

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

from almanac.config.repository import dag_files
from almanac_airflow.ui.paths import urls

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class RunLink(BaseOperatorLink):
    """To what the task's run wrote into the journal: batches with their reports, windows, decisions, alerts."""

    name = "What this run did"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Link to the run's page; none on tasks that are not Almanac's, of other projects in the same Airflow."""
        is_ours = bool(dag_files(ti_key.dag_id)) or _module_of(operator).startswith("almanac_airflow.")
        return urls().run(ti_key.dag_id, ti_key.run_id) if is_ours else ""


class ReportLink(BaseOperatorLink):
    """To the report page that the task wrote and named in its result as `report_uri`; none: no button."""

    name = "Report"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Link to the page, by the model and the name at the end of its URI."""
        uri = _result(ti_key).get("report_uri") or ""
        *_, model, name = ["", "", *str(uri).split("/")]
        return urls().report(model, name) if uri else ""


class WindowsLink(BaseOperatorLink):
    """From the tasks that close windows to all windows of the model."""

    name = "All windows"

    def get_link(self, operator: "BaseOperator", *, ti_key: "TaskInstanceKey") -> str:
        """Link to the windows' page."""
        kind, _, model = ti_key.dag_id.partition("_")
        return urls().windows(model) if kind in ("window", "reopen") else ""


def _module_of(operator: Any) -> str:
    """The module of a task's class, as the server knows it: it never imports the class."""
    return str(getattr(operator, "_task_module", ""))


def _result(ti_key: "TaskInstanceKey") -> dict[str, Any]:
    import json

    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    query = XComModel.get_many(
        key="return_value",
        run_id=ti_key.run_id,
        dag_ids=ti_key.dag_id,
        task_ids=ti_key.task_id,
        map_indexes=ti_key.map_index,
    ).with_only_columns(XComModel.value)
    with create_session() as session:
        found = session.execute(query).first()
    value = None if found is None else found[0]
    value = json.loads(value) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {}
