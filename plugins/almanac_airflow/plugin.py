"""The one Airflow plugin of Almanac."""

from airflow.plugins_manager import AirflowPlugin

from almanac_airflow.task_usage import UsageListener
from almanac_airflow.timetables import DeclaredSchedule, TumblingWindows
from almanac_airflow.ui import guard, mount
from almanac_airflow.ui.links import ReportLink, RunLink, WindowsLink


def _former(timetable: type) -> type:
    """The same under the name that the database of Almanac 0.1 holds, when this package was `almanac`."""
    return type(timetable.__name__, (timetable,), {"__module__": "almanac.timetables"})


class AlmanacPlugin(AirflowPlugin):
    """Adds Almanac's pages to the UI, stands guard at its logins, keeps the ledger, and makes its timetables known."""

    name = "almanac"
    timetables = [  # noqa: RUF012 - Airflow's own way to declare them
        *(DeclaredSchedule, TumblingWindows),
        *(_former(DeclaredSchedule), _former(TumblingWindows)),
    ]
    fastapi_apps = mount.fastapi_apps()
    fastapi_root_middlewares = guard.middlewares()
    listeners = [UsageListener()]  # noqa: RUF012
    external_views = mount.external_views()
    global_operator_extra_links = [RunLink(), ReportLink(), WindowsLink()]  # noqa: RUF012
