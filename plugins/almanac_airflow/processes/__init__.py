"""What runs beside DAGs and pages: at the start of each Airflow process, and as a program of its own."""
