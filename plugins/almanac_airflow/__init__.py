"""What touches Airflow: assets, policies, parameters, triggers and notifiers that the DAG files share."""


def provider_info() -> dict[str, object]:
    """What `airflow providers` lists; Airflow asks for it by the entry point `apache_airflow_provider`.

    The plugin is not among it: Airflow finds that by an entry point of its own, and would load it twice.
    """
    return {
        "package-name": "almanac",
        "name": "Almanac",
        "description": "Schedules everything around a machine-learning model: data, training, scoring, backups.",
        "notifications": ["almanac_airflow.notifiers.alert.AlertNotifier"],
        "triggers": [{"integration-name": "Almanac", "python-modules": ["almanac_airflow.triggers.landing"]}],
    }
