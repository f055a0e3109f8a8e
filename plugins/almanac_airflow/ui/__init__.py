"""What Almanac adds to Airflow's UI: pages behind Airflow's own login, and links to them."""
