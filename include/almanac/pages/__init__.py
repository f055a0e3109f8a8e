"""The pages that people read in Airflow's web server, made from the journal and the declarations.

May import: ai_search, alerts, backup, cleanup, config, control, data, journal, reporting, rollout, storage, validation,
windows.
"""
