"""Forecasts each grain by the candidate that its own backtests prefer, and publishes the version that the gates accept.

A grain's result is computed once: while its rows, the declaration and the code stay the same, no run computes it again,
also after a failed or killed one. A bad grain is set aside with its reason, and the others go on. A refused version is
a green run: the forecast that is published stays, and the decision with its reasons is in the journal.
"""

from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac_airflow import assets
from almanac_airflow.dags import make_dag
from almanac_airflow.declarations import declared_forecasts
from almanac_airflow.params import forecast_params
from almanac_airflow.runs import run_context
from almanac_airflow.schedules import schedule_of
from almanac_airflow.steps import forecast as steps

HOME = Home()


def build(model: ForecastModel) -> DAG:  # noqa: C901 - a list of tasks
    """`forecast_<model>`: check -> plan -> forecast (mapped) -> collect -> judge -> publish -> report -> clean_up.

    Beside them: check -> watch; and check -> fit -> forecast where a global candidate is declared.
    """
    predictions, schedule = assets.predictions(model), schedule_of(model, "forecast", HOME)
    with make_dag("forecast", model, purpose=__doc__, schedule=schedule, params=forecast_params()) as dag:

        @task(doc_md="Checks the frame, and each grain; skipped, with the reasons, when too much of it is bad.")
        def check(*, params: dict[str, Any]) -> dict[str, Any]:
            return steps.check(run_context(HOME), model, params["as_of"])

        @task(doc_md="Divides the grains whose result nobody has computed yet among tasks; none when nothing is new.")
        def plan(checked: dict[str, Any]) -> list[dict[str, Any]]:
            return steps.plan(run_context(HOME), model, checked)

        @task(doc_md="Fits the global candidate to all grains, unless that fit is there.")
        def fit(checked: dict[str, Any]) -> dict[str, Any]:
            return steps.fit(run_context(HOME), model, checked)

        @task(doc_md="Backtests all candidates on its grains, chooses, forecasts, and commits the results at once.")
        def forecast(chunk: dict[str, Any]) -> dict[str, Any]:
            return steps.forecast(run_context(HOME), model, chunk)

        @task(
            trigger_rule=TriggerRule.NONE_FAILED,  # no chunk is no reason to stop: all results may be there already
            doc_md="Records the version: the result of each grain, and why others are set aside.",
        )
        def collect(checked: dict[str, Any]) -> str:
            return steps.collect(run_context(HOME), model, checked)

        @task(doc_md="Judges the version by the gates over all its grains, and against the published version.")
        def judge(version: str) -> dict[str, Any]:
            return steps.judge(run_context(HOME), model, version)

        @task(outlets=[predictions], doc_md="Replaces the published forecast; skipped when the gates have refused it.")
        def publish(verdict: dict[str, Any], checked: dict[str, Any], *, outlet_events: Any) -> dict[str, Any]:
            published = steps.publish(run_context(HOME), model, verdict, checked)
            outlet_events[predictions].extra = published
            return published

        @task(doc_md="Holds published forecasts against the actual values that have come; alerts when far off.")
        def watch(checked: dict[str, Any]) -> dict[str, Any]:
            return steps.watch(run_context(HOME), model, checked)

        @task(
            trigger_rule=TriggerRule.NONE_FAILED,  # of a refused version, too
            doc_md="Writes the page with values, differences and past errors; logs the version to MLflow.",
        )
        def report(version: str) -> dict[str, str]:
            return steps.report(run_context(HOME), model, version)

        @task(trigger_rule=TriggerRule.NONE_FAILED, doc_md="Deletes results and versions older than `forecast.keep`.")
        def clean_up() -> dict[str, Any]:
            return steps.clean_up(run_context(HOME), model)

        checked = check()
        watch(checked)
        collected = collect(checked)
        computed = forecast.expand(chunk=plan(checked))
        computed >> collected
        if model.forecast.candidates.over_all is not None:
            fit(checked) >> computed
        publish(judge(collected), checked) >> report(collected) >> clean_up()
    return dag


for declared in declared_forecasts(HOME):
    globals()[f"forecast_{declared.name}"] = build(declared)
