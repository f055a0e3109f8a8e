"""The one Airflow plugin of Almanac."""

from airflow.plugins_manager import AirflowPlugin


class AlmanacPlugin(AirflowPlugin):
    """Makes Almanac visible under *Admin > Plugins*."""

    name = "almanac"
