"""Scores the same hours with a version in shadow, and judges it when enough labels have arrived.

For models that declare `shadow`. Woken when the champion has scored, and each hour, because labels arrive without new
hours, too. It works apart from the champion: a version whose graph is lost, raises, hangs or answers nonsense fails
here, is told here, and the champion's predictions are published as ever. To end a shadow that cannot work: delete the
alias `shadow` in MLflow, or promote another version.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, AssetOrTimeSchedule, TriggerRule, task
from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac_airflow import assets
from almanac_airflow.dags import cron, declared_models, model_dag
from almanac_airflow.notifiers.late import deadline_of

HOME = Home()
HOURLY = "50 * * * *"
LATE = timedelta(hours=2)  # a graph that hangs in its own code cannot be ended from Python, but told


def build(model: Model) -> DAG:
    """`shadow_<model>`: score_shadow -> judge_shadow."""
    shadow, late = assets.shadow(model), deadline_of(model, "shadow", LATE)
    # windows are partitions, whose events wake partitioned DAGs only: then the clock alone
    schedule = AssetOrTimeSchedule(timetable=cron(HOURLY), assets=assets.predictions(model))
    wakes = f"when the champion has scored, or at {HOURLY}"
    with model_dag("shadow", model, purpose=__doc__, schedule=schedule, wakes=wakes, deadline=late) as dag:

        @task(
            execution_timeout=LATE,
            doc_md="What the version in shadow answers, into a table of its own; skipped when there is nothing new.",
        )
        def score_shadow() -> dict[str, Any]:
            from dataclasses import asdict

            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.scoring.pause import stopped, why_stopped
            from almanac.scoring.score import score_shadow
            from almanac_airflow.runs import current_run, now

            if stop := stopped(Journal(HOME.journal_url), model.name):
                raise AirflowSkipException(why_stopped(stop))
            summary = score_shadow(model, HOME, Registry.of(HOME), run=current_run(), now=now())
            if not summary.rows:
                raise AirflowSkipException(summary.message)
            return asdict(summary)

        # also when there was nothing to score, but not after a failure
        @task(
            outlets=[shadow],
            trigger_rule=TriggerRule.NONE_FAILED,
            doc_md="When enough labels have arrived: shadow against champion; skipped until then.",
        )
        def judge_shadow(*, outlet_events: Any) -> dict[str, Any]:
            from dataclasses import asdict

            from almanac.journal.journal import Journal
            from almanac.registry.store import Registry
            from almanac.release.shadow import judge_shadow
            from almanac_airflow.runs import current_run, now

            journal = Journal(HOME.journal_url)
            result = judge_shadow(model, HOME, Registry.of(HOME), journal, run=current_run(), now=now())
            if not result.accepted:
                raise AirflowSkipException("; ".join(result.reasons))
            outlet_events[shadow].extra = {"version": result.version, "reason": "; ".join(result.reasons)}
            return asdict(result)

        score_shadow() >> judge_shadow()
    return dag


for declared in declared_models(HOME):
    if declared.shadow is not None:
        globals()[f"shadow_{declared.name}"] = build(declared)
