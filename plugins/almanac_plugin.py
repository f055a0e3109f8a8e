"""The one Airflow plugin of Almanac."""

from airflow.plugins_manager import AirflowPlugin
from almanac.timetables import DeclaredSchedule, TumblingWindows
from almanac.ui import guard, mount
from almanac.ui.links import ReportLink, RunLink, WindowsLink


class AlmanacPlugin(AirflowPlugin):
    """Adds Almanac's pages to the UI, stands guard at its logins, and makes its timetables known to the scheduler."""

    name = "almanac"
    timetables = [DeclaredSchedule, TumblingWindows]  # noqa: RUF012 - Airflow's own way to declare them
    fastapi_apps = mount.fastapi_apps()
    fastapi_root_middlewares = guard.middlewares()
    external_views = mount.external_views()
    global_operator_extra_links = [RunLink(), ReportLink(), WindowsLink()]  # noqa: RUF012
