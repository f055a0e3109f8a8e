"""Forecasts by grain: check, plan, compute by chunks, collect, judge, publish."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import ForecastModel

if TYPE_CHECKING:
    from almanac.forecast.plan import Plan
    from almanac.registry.run_context import RunContext


def check(context: "RunContext", model: ForecastModel, as_of: str | None = None) -> dict[str, Any]:
    """Check the frame at the dataset's newest version.

    Args:
        context: of the run.
        model: declares the forecast.
        as_of: a time of the past that a person wants to be forecast from, as if no later row had come.

    Returns:
        What the tasks behind it work on: `dataset_version`, `checked_at`, counts, and the `states` that are handled.

    Raises:
        AirflowSkipException: what triggered the run was handled meanwhile, or the frame is invalid; the reasons are in
            the journal, too.
    """
    from almanac.events.handled import record_handled
    from almanac.forecast.plan import make_plan
    from almanac.journal.records import Decision, DecisionKind
    from almanac_airflow.events import require_event
    from almanac_airflow.handled import states_of
    from almanac_airflow.runs import time_param

    require_event(context, model, "forecast")
    states = states_of(context, model, "forecast")
    past = time_param(as_of)
    plan = make_plan(model, context.home, now=context.now, as_of=past)
    for grain, reasons in plan.aside.items():
        print(f"set aside: {grain}: {reasons}")  # noqa: T201 - the task's log
    if plan.problems:
        refusal = Decision(model.name, DecisionKind.GATES, False, plan.problems, context.now, context.run, "frame")
        context.journal.record_decision(refusal)
        if past is None:
            record_handled(context, model, "forecast", states)
        raise AirflowSkipException("; ".join(plan.problems))
    return {**plan.summary(), "checked_at": context.now.isoformat(), "states": states, "as_of": as_of or ""}


def plan(context: "RunContext", model: ForecastModel, checked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The grains whose result is missing, in chunks for one task each."""
    from almanac.forecast.plan import chunk_size, chunks, missing_grains, missing_totals
    from almanac.forecast.results import ResultTable

    found = _plan(context, model, checked)
    missing = missing_grains(found, ResultTable.of(context.home, model))
    print(f"{len(missing)} of {len(found.keys)} grains have no result yet")  # noqa: T201 - the task's log
    where = {"dataset_version": found.dataset_version, "origin": found.origin, "fit": found.fit}
    size, totals = chunk_size(model.forecast), missing_totals(found, ResultTable.of(context.home, model))
    return [
        *({**where, "grains": chunk} for chunk in chunks(missing, size)),
        *({**where, "totals": chunk, "checked": dict(checked)} for chunk in chunks(totals, size)),
    ]


def fit(context: "RunContext", model: ForecastModel, checked: Mapping[str, Any]) -> dict[str, Any]:
    """Fit the global candidate to all grains, unless the fit that the plan uses is there or no result is missing."""
    from almanac.forecast.global_candidate.make_fit import make_fit
    from almanac.forecast.plan import missing_grains, missing_totals
    from almanac.forecast.results import ResultTable

    found = _plan(context, model, checked)
    results = ResultTable.of(context.home, model)
    if not missing_grains(found, results) and not missing_totals(found, results):
        return {"fit": found.fit, "fitted": False, "failure": ""}
    return make_fit(model, context.home, found)


def forecast(context: "RunContext", model: ForecastModel, chunk: Mapping[str, Any]) -> dict[str, Any]:
    """Compute and commit the results of one chunk: of grains, or of totals, whose series are the sums of the plan's."""
    from almanac import failpoints
    from almanac.forecast.compute import compute_chunk, compute_series

    if "totals" in chunk:
        sums = _plan(context, model, chunk["checked"]).sums
        of = {"origin": chunk["origin"], "fit": chunk["fit"], "on_step": failpoints.failpoint}
        return compute_series(model, context.home, [sums[name] for name in chunk["totals"]], **of)
    where = {name: chunk[name] for name in ("dataset_version", "origin", "fit")}
    return compute_chunk(model, context.home, chunk["grains"], **where, on_step=failpoints.failpoint)


def collect(context: "RunContext", model: ForecastModel, checked: Mapping[str, Any] | None) -> str:
    """Record the version, once, and give its name.

    Raises:
        AirflowSkipException: the check was skipped.
    """
    from almanac.forecast.versions import collect_version

    if checked is None:
        raise AirflowSkipException("nothing was checked: see why `check` was skipped")
    return collect_version(model, context.home, _plan(context, model, checked))


def judge(context: "RunContext", model: ForecastModel, version: str) -> dict[str, Any]:
    """Judge the version by the gates; the decision is in the journal."""
    from almanac.forecast.gates import judge_version
    from almanac_airflow.runs import decision_xcom

    decision = judge_version(model, context.home, version, journal=context.journal, run=context.run, now=context.now)
    return {"version": version, **decision_xcom(decision)}


def publish(
    context: "RunContext", model: ForecastModel, verdict: Mapping[str, Any], checked: Mapping[str, Any]
) -> dict[str, Any]:
    """Publish the version that the journal's decision accepts; what triggered the run is handled then, also if not.

    Returns:
        The content of the event: version, rows, and the Delta version of the table.

    Raises:
        AirflowSkipException: the version was refused, or is published already.
    """
    from almanac.events.handled import record_handled
    from almanac.forecast.adjustments import adjustments_of
    from almanac.forecast.published import publish_version
    from almanac.forecast.versions import VersionTable
    from almanac.journal.records import DecisionKind
    from almanac.training.code_version import code_version

    version = str(verdict["version"])
    decisions = context.journal.decisions(model.name, DecisionKind.GATES, subject=version, run=context.run)
    if checked["as_of"]:
        raise AirflowSkipException(
            f"{version} is a forecast of the past, as of {checked['as_of']}: it is not published"
        )
    if not decisions or not decisions[0].accepted:
        record_handled(context, model, "forecast", checked["states"])
        raise AirflowSkipException(f"{version} is not published: {'; '.join(verdict['reasons'])}")
    dataset_version = int(VersionTable.of(context.home, model).read(version)["dataset_version"][0])
    lineage = {
        "dataset_version": str(dataset_version),
        "git_commit": code_version().commit,
        "dag_id": context.run.dag_id,
        "run_id": context.run.run_id,
    }
    active = [one for one in adjustments_of(context.journal, model.name) if one.is_active(context.now)]
    published = publish_version(model, context.home, version, lineage, active)
    record_handled(context, model, "forecast", checked["states"])
    if published is None:
        raise AirflowSkipException(f"{version} is published already: nothing has changed since")
    return {**published, "dataset_version": dataset_version}


def watch(context: "RunContext", model: ForecastModel, checked: Mapping[str, Any]) -> dict[str, Any]:
    """Hold published forecasts against the actual values that have come; one alert while they are too far off."""
    from almanac.forecast.past.watch import notify_watched, watch_forecasts
    from almanac_airflow.notifiers.channels import notifier
    from almanac_airflow.runs import link

    found = watch_forecasts(model, context.home, dataset_version=checked["dataset_version"])
    notify_watched(model, found, notifier(context.run), run=context.run, link=link(), now=context.clock())
    return {"values": found.rows, "grains": found.grains, "findings": [one.text for one in found.findings]}


def report(context: "RunContext", model: ForecastModel, version: str | None) -> dict[str, str]:
    """Write the report page of the version, published or not, and log its figures to MLflow.

    Raises:
        AirflowSkipException: there is no version.
    """
    from almanac.forecast.report.report import write_report
    from almanac.forecast.report.tracking import log_version
    from almanac.forecast.versions import results_of

    if version is None:
        raise AirflowSkipException("no version was collected")
    uri = write_report(model, context.home, context.journal, version, now=context.now)
    results = results_of(model, context.home, version)
    return {"report": uri, "mlflow_run_id": log_version(context.registry, model, version, results, run=context.run)}


def clean_up(context: "RunContext", model: ForecastModel) -> dict[str, Any]:
    """Delete the results and versions that are older than `forecast.keep`.

    Raises:
        AirflowSkipException: nothing is declared to go.
    """
    from almanac.forecast.expiry import expire_results

    if model.forecast.keep is None:
        raise AirflowSkipException("forecast.keep is not declared: all results are kept")
    return expire_results(model, context.home, now=context.now)


def adjust(context: "RunContext", model: ForecastModel, params: Mapping[str, Any]) -> dict[str, Any]:
    """Record an adjustment, or take one back, and publish the version that is published with what is active now.

    Raises:
        ConfigError: the form is not filled in.
        DataError: it makes no sense for this forecast.
    """
    from almanac.errors import ConfigError
    from almanac.forecast.adjusted import adjust_published, publish_again
    from almanac.forecast.adjustments import undo_adjustment
    from almanac_airflow.runs import time_param

    home, journal, run, now = context.home, context.journal, context.run, context.now
    if params["undo"]:
        undo_adjustment(model, journal, params["undo"], params["why"], run=run, now=now)
        return publish_again(model, home, journal, run=run, now=now)
    since, until = time_param(params["since"]), time_param(params["until"])
    if not params["grain"] or params["percent"] is None or since is None or until is None:
        raise ConfigError("grain, percent, from and up to: give all of them, or the id of an adjustment to undo")
    return adjust_published(
        *(model, home, journal, str(params["grain"]), float(params["percent"]), since, until),
        expires_at=time_param(params["expires"]),
        reason=str(params["why"]),
        run=run,
        now=now,
    )


def _plan(context: "RunContext", model: ForecastModel, checked: Mapping[str, Any]) -> "Plan":
    """The plan of the task `check`: made again of the same dataset version at the same time."""
    from almanac.forecast.plan import make_plan

    now, version = datetime.fromisoformat(checked["checked_at"]), checked["dataset_version"]
    past = datetime.fromisoformat(checked["as_of"]) if checked["as_of"] else None
    return make_plan(model, context.home, now=now, version=version, as_of=past)
