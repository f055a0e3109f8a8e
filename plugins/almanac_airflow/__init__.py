"""Everything that touches Airflow: the DAG factory, steps, operators, triggers, timetables, notifiers and pages."""
