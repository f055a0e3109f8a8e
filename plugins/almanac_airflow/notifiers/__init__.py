"""Notifiers: Airflow's callbacks that send alerts."""
