"""A package, so that a fixture of scope `package` ends with it and no Airflow runs beside the tests that follow."""
