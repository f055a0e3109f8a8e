"""The pages that people read: one look, one way to link, no script. Served by the Airflow plugin, and kept as files."""
