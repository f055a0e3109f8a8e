"""The command line, `almanac`: what people and runbooks call. It needs no running Airflow.

May import: alerts, backup, cleanup, config, costs, data, draft, drills, examples, forecast, journal, preview,
programs, registry, release, reporting, sample, scoring, services, serving, storage, transfer, windows.
"""
