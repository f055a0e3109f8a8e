"""Writes the report page of a version, and beside it all its rows and grains as files for other programs."""

import io
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.past.accuracy import level_name
from almanac.forecast.report import content
from almanac.forecast.report.content import Content, gather, traits_shown
from almanac.journal.journal import Journal
from almanac.reporting.templates import render

if TYPE_CHECKING:
    import polars as pl

_TEMPLATE = "forecast/report/report.html.j2"
# For programs of our own.
_NOT_LISTED = ("key", "origin", "scores", "scale", "origins", "intervals", "covered", "held_out")


def write_report(model: ForecastModel, home: Home, journal: Journal, version: str, *, now: datetime) -> str:
    """Write the page of a version and give its URI; a page of the same version is replaced.

    Beside it: `.csv` and `.parquet` with the row of each grain and step, and `_grains.csv` with what is known of each
    grain; of a hierarchy, `_totals.csv` and `_totals.parquet` with the row of each total and step.

    Raises:
        DataError: there is no such version.
        TransientError: a store or the journal is unreachable.
    """
    from almanac.storage.files import write_bytes

    found = gather(model, home, journal, version, now=now)
    stem = f"{home.reports_of(model.name)}/forecast_{version}"
    for ending, data in {
        ".csv": found.rows.write_csv().encode(),
        ".parquet": _parquet(found.rows),
        **_total_files(found),
        "_grains.csv": grain_rows(found.results).write_csv().encode(),
        ".html": render_report(model, found, now=now).encode(),  # last: it links to the others
    }.items():
        write_bytes(f"{stem}{ending}", data)
    return f"{stem}.html"


def render_report(model: ForecastModel, found: Content, *, now: datetime) -> str:
    """The page as text."""
    results = found.results
    counts = results["candidate"].value_counts(sort=True)
    return render(
        _TEMPLATE,
        model=model,
        found=found,
        now=now,
        stem=f"forecast_{found.version}",
        grains=len(results),
        kept=int(results["kept_baseline"].sum()),
        counts=list(counts.iter_rows()),
        listed=[(row, traits_shown(row)) for row in results.head(content.ROWS).iter_rows(named=True)],
        periods={name: list(each.iter_rows(named=True)) for name, each in found.periods.items()},
        steps=list(found.steps.iter_rows(named=True)),
        turned_out=list(found.turned_out.head(content.MOVED).iter_rows(named=True)),
        groups=list(found.groups.head(content.GROUPS).iter_rows(named=True)),
        group_names=model.forecast.grain[: None if found.totals else -1],
        levels={level: level_name(level) for level in model.forecast.intervals},
        backtests=_by_step(results),
        step_names={name: name for name in found.periods} | {"step": _step_name(model)},
        aside=list(found.aside.items())[: content.ASIDE],
        limits=content,
        number=number,
    )


def number(value: float | None) -> str:
    """A value of the target: whole from a thousand on, else four digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def grain_rows(results: "pl.DataFrame") -> "pl.DataFrame":
    """What is known of each grain, in columns that a table can hold."""
    import polars as pl

    kept = results.drop([name for name in _NOT_LISTED if name in results.columns])
    lists = [name for name, dtype in kept.schema.items() if isinstance(dtype, pl.List)]
    texts = [pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists]
    return kept.with_columns(texts)


def _total_files(found: Content) -> dict[str, bytes]:
    if found.totals is None:
        return {}
    rows = found.totals.rows
    return {"_totals.csv": rows.write_csv().encode(), "_totals.parquet": _parquet(rows)}


def _step_name(model: ForecastModel) -> str:
    """A step that is a day or a week is called so."""
    return {timedelta(days=1): "day", timedelta(days=7): "week"}.get(model.dataset.step, "step")


def _by_step(results: "pl.DataFrame") -> list[tuple[int, float]]:
    """Step -> mean absolute error of the held-out backtests over all grains."""
    import numpy as np

    if "step_errors" not in results.columns or results["step_errors"].null_count():
        return []
    means = np.array(results["step_errors"].to_list()).mean(axis=0)
    return [(step, float(mean)) for step, mean in enumerate(means, 1)]


def _parquet(rows: "pl.DataFrame") -> bytes:
    written = io.BytesIO()
    rows.write_parquet(written, compression="zstd")
    return written.getvalue()
