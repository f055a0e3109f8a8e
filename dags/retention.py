"""Forgets snapshots by the declared policies, deletes what was forgotten before the grace period, moves what is old.

What is in use stays whatever a policy says: see the reasons in the XCom of `forget`. Nothing is forgotten while the
model registry cannot be reached; a sweep that would delete too much of a repository needs the approval of a person. Old
snapshots move to cheaper tiers where that pays; the newest, the champion and the last proven one stay hot.
"""

from typing import Any

from airflow.sdk import DAG, task

from almanac.config.home import Home
from almanac.config.installation import Installation
from almanac_airflow.backup_params import retention_params
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_installation
from almanac_airflow.runs import run_context
from almanac_airflow.steps import backup as steps

HOME = Home()


def build(installation: Installation) -> DAG:
    """`retention`: forget -> sweep, tiers."""
    schedule = installation.backup.retention.schedule
    with make_dag(
        "retention", installation, purpose=__doc__, schedule=schedule, params=retention_params(), tags=("backup",)
    ) as dag:

        @task(doc_md="Writes a tombstone for each snapshot that no rule and no pin keeps; says why the others stay.")
        def forget(*, params: dict[str, Any]) -> dict[str, Any]:
            return steps.forget(run_context(HOME), params)

        @task(doc_md="Deletes what was forgotten before the grace period, and orphans. Red when a person must approve.")
        def sweep(_forgotten: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            return steps.sweep(run_context(HOME), params)

        @task(doc_md="What each tier holds, costs and would hold; then moves what is declared. Manifests stay hot.")
        def tiers(_forgotten: dict[str, Any], *, params: dict[str, Any]) -> dict[str, Any]:
            return steps.move_to_tiers(run_context(HOME), params)

        forgotten = forget()
        sweep(forgotten)
        tiers(forgotten)
    return dag


build(declared_installation(HOME))
