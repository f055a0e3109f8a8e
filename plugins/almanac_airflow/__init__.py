"""What touches Airflow: assets, policies, parameters, triggers and notifiers that the DAG files share."""
