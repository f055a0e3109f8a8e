"""The services of one machine: how Airflow and MLflow are set up, started, watched and stopped."""
