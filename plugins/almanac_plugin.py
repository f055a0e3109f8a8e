"""The one Airflow plugin of Almanac."""

from airflow.plugins_manager import AirflowPlugin
from almanac.timetables import DeclaredSchedule, TumblingWindows


class AlmanacPlugin(AirflowPlugin):
    """Makes Almanac visible under *Admin > Plugins*, and its timetables known to the scheduler."""

    name = "almanac"
    timetables = [DeclaredSchedule, TumblingWindows]  # noqa: RUF012 - Airflow's own way to declare them
