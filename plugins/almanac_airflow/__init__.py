"""Everything that touches Airflow: the DAG factory, steps, operators, triggers, timetables, notifiers and pages."""


def provider_info() -> dict[str, object]:
    """What `airflow providers` lists; Airflow calls it by the entry point `apache_airflow_provider`.

    It does not name the plugin: Airflow finds that by an entry point of its own, and would load it twice.
    """
    return {
        "package-name": "almanac",
        "name": "Almanac",
        "description": "Schedules everything around a machine-learning model: data, training, scoring, backups.",
        # No handler: Airflow checks nothing of these addresses, as before.
        "asset-uris": [
            {
                "schemes": ["almanac"],
                "handler": None,
                "to_openlineage_converter": "almanac_airflow.lineage.to_openlineage",
            }
        ],
        "notifications": ["almanac_airflow.notifiers.alert.AlertNotifier"],
        "operators": [
            {
                "integration-name": "Almanac",
                "python-modules": [
                    f"almanac_airflow.operators.{name}"
                    for name in ("approval", "backup", "data", "release", "scoring", "training")
                ],
            }
        ],
        "sensors": [{"integration-name": "Almanac", "python-modules": ["almanac_airflow.sensors.new_data"]}],
        "triggers": [
            {
                "integration-name": "Almanac",
                "python-modules": ["almanac_airflow.triggers.landing", "almanac_airflow.triggers.new_files"],
            }
        ],
    }
