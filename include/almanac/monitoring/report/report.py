"""The report page of one run of the monitor: one HTML file that needs nothing else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.grammar.types import format_duration
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.monitoring import Drift
from almanac.monitoring.actions import ACTION_TEXTS
from almanac.monitoring.checks.drift import ColumnDrift, Status, with_predicted_class
from almanac.monitoring.findings import WORST_FIRST, Condition, Finding
from almanac.monitoring.report.markdown import render_markdown
from almanac.monitoring.result import MonitorResult, MonitorVerdict, WindowResult
from almanac.reporting.templates import render
from almanac.reporting.urls import pages_beside
from almanac.statistics.profile import PREDICTION, ReferenceProfile
from almanac.statistics.profiling import finite_numbers
from almanac.statistics.segment_figures import segment_tables

if TYPE_CHECKING:
    import polars as pl

_TEMPLATE = "monitoring/report/report.html.j2"
_WORST = 4
# What harms comes first: worse predictions before inputs that moved.
_FIRST = (Condition.PERFORMANCE, Condition.SEGMENTS, Condition.QUALITY, Condition.DRIFT)
_HEADLINES = {
    MonitorVerdict.QUIET: "Quiet: the newest window looks like the reference",
    MonitorVerdict.DRIFTED: "Drifted: the newest window differs from the reference",
    MonitorVerdict.DEGRADED: "Degraded: predictions have become worse than when the model was judged",
    MonitorVerdict.INSUFFICIENT: "Insufficient: not enough data to compare the newest window with the reference",
}


@dataclass(frozen=True)
class ReportPlot:
    """One plot with the words beside it; `svg` is safe markup that we drew ourselves."""

    title: str
    text: str
    svg: str


@dataclass(frozen=True)
class Cell:
    """One figure of the table and whether it passes its limit."""

    text: str
    beyond: bool = False


def write_report(
    model: Model, home: Home, profile: ReferenceProfile, result: MonitorResult, rows: "pl.DataFrame"
) -> str:
    """Write the page, so that nobody ever sees half of it, and give its URI.

    The name follows from newest window and model version: the same windows looked at again replace their page.

    Args:
        model: declares limits and units.
        home: where reports are kept.
        profile: the reference.
        result: what to tell; at least one window.
        rows: the newest window's rows, with `prediction` if it was scored.

    Raises:
        TransientError: the store is unreachable.
    """
    from almanac.storage.files import write_bytes

    newest = result.windows[-1]
    uri = f"{home.reports_of(model.name)}/monitor_{newest.end:%Y-%m-%d}_version_{result.model_version}.html"
    page = render_report(model, profile, result, rows, tracking_uri=home.tracking_uri)
    write_bytes(uri, page.encode("utf-8"))
    write_bytes(f"{uri.removesuffix('.html')}.md", render_markdown(model, result).encode("utf-8"))
    return uri


def render_report(
    model: Model, profile: ReferenceProfile, result: MonitorResult, rows: "pl.DataFrame", *, tracking_uri: str = ""
) -> str:
    """The page as text; for the arguments see `write_report`."""
    newest = result.windows[-1]
    ranked = sorted(newest.columns, key=lambda column: _severity(column, model.monitor.drift), reverse=True)
    return render(
        _TEMPLATE,
        model=model,
        profile=profile,
        result=result,
        newest=newest,
        headline=_headline(result.verdict, newest),
        size=format_duration(model.monitor.window),
        columns=[(column, _cells(column, model.monitor.drift)) for column in ranked],
        pictures=_pictures(model, profile, ranked, newest, rows),
        history=_history(model, result, ranked),
        of_model=_of_model(model, result, rows),
        findings=sorted(result.findings, key=_rank),
        states=WORST_FIRST,
        looks=result.explanation,
        data_url=_data_url(result.run_url, model.name),
        actions=[(ACTION_TEXTS[planned.action], planned.reasons) for planned in result.actions],
        version_url=_version_url(tracking_uri, model.name, result.model_version),
        windows=list(reversed(result.windows)),
        limits=model.monitor.drift,
    )


def _headline(verdict: MonitorVerdict, newest: WindowResult) -> str:
    """The verdict in words, with what it leaves out."""
    untested = f"; {len(newest.untested)} of {len(newest.columns)} columns could not be compared"
    return _HEADLINES[verdict] + (untested if newest.untested else "")


def _rank(found: Finding) -> tuple[int, int]:
    return WORST_FIRST.index(found.state), _FIRST.index(found.condition) if found.condition in _FIRST else len(_FIRST)


def _data_url(run_url: str, name: str) -> str:
    """The batches of the model in Almanac's pages, which lie below Airflow's address; empty where that is not known."""
    pages = pages_beside(run_url)
    return pages.batches(name) if pages else ""


def _of_model(model: Model, result: MonitorResult, rows: "pl.DataFrame") -> list[ReportPlot]:
    from almanac.monitoring.report.model_plots import importances, segments

    newest = result.windows[-1]
    pictures = _of_predictions(model, rows) if PREDICTION in rows.columns and "_label" in rows.columns else []
    for by, groups in segment_tables(newest.groups).items():
        words = f"By {by}, at the share of labels that the version was judged at; in brackets labelled rows."
        pictures.append(ReportPlot(f"Segments: {by}", words, segments(groups, model.monitor.performance.metric)))
    if result.explanation is not None:
        moved = "; ".join(f"{one.column} {one.change:+.3f} ({one.share:.0%})" for one in result.explanation.moved)
        words = f"Of the mean prediction, drifted columns moved: {moved}." if moved else "No drifted column moved them."
        pictures.append(ReportPlot("Feature importance", words, importances(result.explanation)))
    return [picture for picture in pictures if picture.svg]


def _of_predictions(model: Model, rows: "pl.DataFrame") -> list[ReportPlot]:
    """Predictions against the labels that have arrived, in the form of the model's kind of label."""
    import numpy as np

    from almanac.monitoring.report.model_plots import calibration
    from almanac.reporting.drawing import confusion_matrix, true_numbers
    from almanac.statistics.class_metrics import confusion, confusion_words, top_label

    honest = "On the line: what is predicted with 70 % happens in 70 of 100 rows."
    predicted, truth = rows[PREDICTION].to_numpy(), finite_numbers(rows["_label"])
    if model.label.kind is NUMBER:
        words = "Each dot is a row whose label has arrived; on the line: predicted exactly."
        return [ReportPlot("Predicted and actual", words, true_numbers(truth, predicted))]
    if model.label.classes is None:
        return [ReportPlot("Calibration", honest, calibration(truth, predicted))]
    known = np.isfinite(truth) & np.isfinite(predicted).all(axis=1)
    right, top = top_label(truth[known], predicted[known])
    counts, names = confusion(truth[known], predicted[known]), model.label.classes
    return [
        ReportPlot("Confusion of the classes", confusion_words(counts, names), confusion_matrix(counts, names)),
        ReportPlot("Calibration of the predicted class", honest, calibration(right.astype(float), top)),
    ]


def _version_url(tracking_uri: str, name: str, version: str) -> str:
    """The version in MLflow's pages; empty where MLflow is no server."""
    served = tracking_uri.startswith(("http://", "https://")) and version
    return f"{tracking_uri.rstrip('/')}/#/models/{name}/versions/{version}" if served else ""


def _severity(column: ColumnDrift, limits: Drift) -> tuple[bool, float]:
    """How far a column is beyond its limits; drifted and stuck ones first, and large ones that cannot be tested."""
    pairs = [
        ("ks_displaced", limits.min_ks),
        ("wasserstein_sd", limits.min_wasserstein),
        ("null_change", limits.min_null_change),
    ]
    if column.kind == "text":
        pairs = [("total_variation", limits.min_total_variation), ("null_change", limits.min_null_change)]
    share = max((column.figures[name] / max(limit, 1e-9) for name, limit in pairs if name in column.figures), default=0)
    return column.status in (Status.DRIFTED, Status.STUCK) or column.large, float(share)


def _cells(column: ColumnDrift, limits: Drift) -> tuple[Cell, ...]:
    figures = column.figures
    distance = figures.get("ks_displaced", figures.get("total_variation"))
    limit = limits.min_ks if "ks" in figures else limits.min_total_variation
    corrected = figures.get("q_distribution")
    mean = f"{figures['reference_mean']:.4g} → {figures['mean']:.4g}" if "mean" in figures else "–"
    nulls = figures.get("null_change")
    return (
        Cell(mean),
        _cell(distance, limit),
        _cell(figures.get("wasserstein_sd"), limits.min_wasserstein),
        Cell("–" if corrected is None else f"{corrected:.2g}", (corrected or 1.0) <= limits.false_discovery_rate),
        Cell("–" if nulls is None else f"{figures['nulls']:.1%}", (nulls or 0.0) >= limits.min_null_change),
        Cell(f"{column.rows:,}"),
        Cell(f"{figures['effective_rows']:,.0f}" if "effective_rows" in figures else "–"),
    )


def _cell(value: float | None, limit: float) -> Cell:
    return Cell("–") if value is None else Cell(f"{value:.3f}" if value < 1e6 else "∞", value >= limit)


def _pictures(
    model: Model, profile: ReferenceProfile, ranked: list[ColumnDrift], newest: WindowResult, rows: "pl.DataFrame"
) -> list[ReportPlot]:
    from almanac.monitoring.report.plots import distributions

    pictures = []
    if model.label.classes is not None:
        rows = with_predicted_class(model, profile, rows)
    for column in ranked:
        reference = profile.column(column.name)
        if reference is None or column.name not in rows.columns or not _compared(column):
            continue
        declared = model.dataset.columns.get(column.name)
        predicted = model.label.name if model.label.kind is NUMBER else f"probability of {model.label.name}"
        unit = declared.unit if declared else predicted
        svg = distributions(reference, rows[column.name], newest, unit)
        title = f"Predicted {model.label.kind.prediction_column}" if column.name == PREDICTION else column.name
        pictures.append(ReportPlot(title, _caption(column, model.monitor.drift), svg))
        if len(pictures) == _WORST:
            break
    return pictures


def _compared(column: ColumnDrift) -> bool:
    """Whether there are distances to show, be they tested or not."""
    return column.status is not Status.INSUFFICIENT or "psi" in column.figures


def _caption(column: ColumnDrift, limits: Drift) -> str:
    """Why it has drifted, or why a distance that the eye sees is not drift."""
    if column.reasons:
        return "; ".join((*column.reasons, *column.notes))
    corrected = column.figures.get("q_distribution")
    if _severity(column, limits)[1] >= 1 and corrected is not None:
        return f"Beyond a limit, but quiet windows of the reference differ as much (corrected p = {corrected:.2g})."
    return "Within its limits."


def _history(model: Model, result: MonitorResult, ranked: list[ColumnDrift]) -> list[ReportPlot]:
    from almanac.monitoring.report.plots import drift_over_windows, performance_over_windows

    names = [column.name for column in ranked if _compared(column)][:_WORST]
    drift = drift_over_windows(model, result.windows, names) if names else ""
    performance = result.windows[-1].performance
    text = "; ".join(performance.reasons) or f"{performance.metric}: holding"
    pictures = [
        ReportPlot("Drift over windows", "Beyond the limit alone is not drift: it must be significant too.", drift),
        ReportPlot("Performance over windows", text, performance_over_windows(model, result.windows)),
    ]
    return [picture for picture in pictures if picture.svg]
