"""The command line: what people and runbooks call. Needs no running Airflow."""
