"""How candidates are made, measured and judged. Nothing in here knows the registry or Airflow."""
