"""Scores the same rows with a version in shadow, and judges it when enough labels have arrived.

For models that declare `shadow`. Triggered when the champion has scored, and each hour, because labels arrive without
new rows, too. It works apart from the champion: a version whose graph is lost, raises, hangs or gives invalid numbers
fails and alerts here, and the champion's predictions are published as ever. To end a shadow that cannot work: delete
the alias `shadow` in MLflow, or promote another version.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, TriggerRule, task

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import cron, make_dag
from almanac_airflow.declarations import declared_models
from almanac_airflow.runs import run_context
from almanac_airflow.steps import release as steps

HOME = Home()
HOURLY = "50 * * * *"
LATE = timedelta(hours=2)  # a graph that hangs in its own code cannot be ended from Python, but the alert says so


def build(model: Model) -> DAG:
    """`shadow_<model>`: score_shadow -> judge_shadow."""
    shadow = assets.shadow(model)
    # windows are partitions, whose events trigger partitioned DAGs only: then only the schedule triggers this one
    schedule = AssetOrTimeSchedule(timetable=cron(HOURLY), assets=assets.predictions(model))
    with make_dag(
        "shadow",
        model,
        purpose=__doc__,
        schedule=schedule,
        triggered_by=f"when the champion has scored, or at {HOURLY}",
        deadline=LATE,
    ) as dag:

        @task(
            execution_timeout=LATE,
            doc_md="Predictions of the version in shadow, into a table of its own; skipped when nothing is new.",
        )
        def score_shadow() -> dict[str, Any]:
            return steps.score_shadow(run_context(HOME), model)

        # also when there was nothing to score, but not after a failure
        @task(
            outlets=[shadow],
            trigger_rule=TriggerRule.NONE_FAILED,
            doc_md="When enough labels have arrived: shadow against champion; skipped until then.",
        )
        def judge_shadow(*, outlet_events: Any) -> dict[str, Any]:
            result = steps.judge_shadow(run_context(HOME), model)
            outlet_events[shadow].extra = {"version": result["version"], "reason": "; ".join(result["reasons"])}
            return result

        score_shadow() >> judge_shadow()
    return dag


for declared in declared_models(HOME):
    if declared.shadow is not None:
        globals()[f"shadow_{declared.name}"] = build(declared)
