"""The domain of Almanac: everything that can run and be tested without Airflow."""
