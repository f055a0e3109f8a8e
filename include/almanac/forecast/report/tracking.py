"""Logs a version of a forecast to MLflow: a run with its figures, and each grain's traits as a file."""

from typing import TYPE_CHECKING, Any

from almanac.config.schema import ForecastModel
from almanac.forecast.report.report import grain_rows

if TYPE_CHECKING:
    import polars as pl

    from almanac.journal.records import RunRef
    from almanac.registry.store import Registry

_VERSION = "almanac.forecast_version"


def log_version(
    registry: "Registry", model: ForecastModel, version: str, results: "pl.DataFrame", *, run: "RunRef"
) -> str:
    """The MLflow run of a version; one that is there already is returned as it is.

    A forecast has no version in MLflow's registry (ADR 105): this run is a record and decides nothing.

    Raises:
        RegistryError: MLflow refuses.
        TransientError: MLflow is not available.
    """
    from almanac.registry.errors import mlflow_errors
    from almanac.registry.paging import every

    with mlflow_errors(f"MLflow: {model.name} {version}"):
        client, experiment = registry.client, registry.experiment(model.name)
        wanted = f"tags.`{_VERSION}` = '{version}' and attributes.status = 'FINISHED'"
        if done := next(every(client.search_runs, [experiment], wanted), None):
            return str(done.info.run_id)
        tags = {_VERSION: version, "dag_id": run.dag_id, "run_id": run.run_id}
        run_id = str(client.create_run(experiment, run_name=f"forecast {version}", tags=tags).info.run_id)
        for name, value in _params(model).items():
            client.log_param(run_id, name, value)
        for name, figure in _metrics(results).items():
            client.log_metric(run_id, name, figure)
        client.log_text(run_id, grain_rows(results).write_csv(), "grains.csv")
        client.set_terminated(run_id)
    return run_id


def _params(model: ForecastModel) -> dict[str, Any]:
    declared = model.forecast
    names = sorted(declared.candidates.model_dump(exclude_none=True, by_alias=True))
    return {
        "horizon": declared.horizon,
        "season": ",".join(map(str, declared.season)),
        "candidates": ",".join(names),
        "chosen_by": declared.choose.by,
        "backtests": declared.choose.backtests,
    }


def _metrics(results: "pl.DataFrame") -> dict[str, float]:
    shares = results["candidate"].value_counts(normalize=True, name="share").iter_rows()
    found = {f"share_{name}": float(share) for name, share in shares}
    found |= {"grains": float(len(results)), "kept_baseline": float(results["kept_baseline"].sum())}
    for name in ("error", "baseline_error", "trend_strength", "growth", "autocorrelation"):
        mean = results[name].drop_nulls().drop_nans().mean() if name in results.columns else None
        found |= {f"mean_{name}": float(mean)} if isinstance(mean, float) else {}
    return found
