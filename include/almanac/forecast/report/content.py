"""What the report page of a version says: read once, bounded however many grains there are."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.adjustments import Adjustment, adjustments_of
from almanac.forecast.past.accuracy import by_step, level_name, past_forecasts, rows_of_version, version_rows
from almanac.forecast.published import PublishedTable
from almanac.forecast.report.charts import SeriesChart
from almanac.forecast.report.differences import MovedGrain, by_period, moved_grains, shared_rows
from almanac.forecast.report.totals import Totals, of_all, totals_shown
from almanac.forecast.results import GRAIN, ORIGIN
from almanac.forecast.series import GrainReader
from almanac.forecast.versions import VersionTable, coherent_of, results_of, set_aside
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind

if TYPE_CHECKING:
    import polars as pl

CHARTS, ROWS, MOVED, ASIDE, GROUPS = 24, 100, 20, 50, 30
"""How much of each list a page shows; all grains are in the files beside it."""
_PAST_HORIZONS = 4  # of actual values before a forecast in a picture


@dataclass(frozen=True)
class Picture:
    """The picture of one grain, or of the total; `svg` is markup of our own."""

    grain: str
    text: str
    svg: str


@dataclass(frozen=True)
class Content:
    """What a page is made of.

    Attributes:
        version: that is reported.
        decision: its verdict; None: it was not judged.
        published: whether it is in use.
        before: the version that it is compared with; empty: none.
        results: of the version, the worst grain first.
        rows: of the version, one for each grain and step.
        periods: `step`, `day`, `week`, `month` -> totals of both versions.
        moved: the grains that moved most.
        changed_candidates: "from, now to" -> how many grains.
        steps: how past forecasts have turned out, by step ahead.
        turned_out: the grains of past forecasts with the largest errors.
        groups: totals of the leading grain columns, or those of the hierarchy.
        totals: of the hierarchy; None: none is declared.
        aside: grain -> why it is set aside; `aside_kinds` -> how many.
        adjustments: those that are active.
        total, pictures: drawn.
    """

    version: str
    decision: Decision | None
    published: bool
    before: str
    results: "pl.DataFrame"
    rows: "pl.DataFrame"
    periods: Mapping[str, "pl.DataFrame"]
    moved: Sequence[MovedGrain]
    changed_candidates: Mapping[str, int]
    steps: "pl.DataFrame"
    turned_out: "pl.DataFrame"
    groups: "pl.DataFrame"
    totals: Totals | None
    aside: Mapping[str, str]
    aside_kinds: Mapping[str, int]
    adjustments: Sequence[Adjustment]
    total: Picture
    pictures: Sequence[Picture]


def gather(model: ForecastModel, home: Home, journal: Journal, version: str, *, now: datetime) -> Content:
    """Read what the page of a version says.

    Raises:
        DataError: there is no such version.
        TransientError: a store or the journal is unreachable.
    """
    import polars as pl

    results = results_of(model, home, version).sort("error", GRAIN, descending=[True, False])
    rows = rows_of_version(model, results, version)
    published = list(dict.fromkeys(one.version for one in PublishedTable.of(home, model).publications()))
    before, earlier, theirs = _before(model, home, published, version)
    shared = shared_rows(rows, earlier) if earlier is not None else pl.DataFrame()
    aside = set_aside(model, home, version)
    dataset_version = int(VersionTable.of(home, model).read(version)["dataset_version"][0])
    past = past_forecasts(model, home, also=version)
    active = [one for one in adjustments_of(journal, model.name) if one.is_active(now)]
    reader = GrainReader.of(model, home, dataset_version)
    coherent = coherent_of(model, home, version)
    totals = None if coherent is None else totals_shown(model, coherent, version)
    return Content(
        version=version,
        decision=next(iter(journal.decisions(model.name, DecisionKind.GATES, limit=1, subject=version)), None),
        published=published[:1] == [version],
        before=before,
        results=results,
        rows=rows,
        periods=by_period(shared, model.dataset.step) if len(shared) else {},
        moved=moved_grains(shared, results, theirs, MOVED) if len(shared) else [],
        changed_candidates=_changed(results, theirs),
        steps=by_step(past, model.forecast.intervals),
        turned_out=_turned_out(past),
        groups=_groups(model, rows) if totals is None else totals.by_total,
        totals=totals,
        aside=aside,
        aside_kinds=Counter(kind.partition(":")[0] for why in aside.values() for kind in why.split("; ")),
        adjustments=active,
        total=_total(model, reader, results, rows, earlier, totals),
        pictures=_pictures(model, reader, results.head(CHARTS), rows, earlier, active),
    )


def _before(
    model: ForecastModel, home: Home, published: Sequence[str], version: str
) -> tuple[str, "pl.DataFrame | None", "pl.DataFrame"]:
    """The version that was published before this one, its rows and results; of the first one, nothing."""
    import polars as pl

    others = published[published.index(version) + 1 :] if version in published else published
    for other in others:
        rows = version_rows(model, home, other)
        if rows is not None:
            return other, rows, results_of(model, home, other)
    return "", None, pl.DataFrame()


def _changed(ours: "pl.DataFrame", theirs: "pl.DataFrame") -> dict[str, int]:
    if not len(theirs):
        return {}
    both = ours.select(GRAIN, "candidate").join(theirs.select(GRAIN, was="candidate"), on=GRAIN)
    pairs = both.select("was", "candidate").iter_rows()
    return dict(Counter(f"{was}, now {now}" for was, now in pairs if was != now).most_common(MOVED))


def _turned_out(past: "pl.DataFrame") -> "pl.DataFrame":
    """Grains by how much larger their errors are than the backtests made expect."""
    import polars as pl

    if not len(past):
        return past
    wrong = pl.col("forecast") - pl.col("actual")
    found = past.group_by(GRAIN).agg(
        rows=pl.len(),
        error=wrong.abs().mean(),
        expected=pl.col("expected").mean(),
        bias=wrong.mean(),
        actual=pl.col("actual").mean(),
    )
    ratio = pl.col("error") / pl.col("expected")
    return found.with_columns(ratio=ratio).sort(
        "ratio", "error", GRAIN, descending=[True, True, False], nulls_last=True
    )


def _groups(model: ForecastModel, rows: "pl.DataFrame") -> "pl.DataFrame":
    """Totals over the leading columns of the grain; nothing of a grain of one column."""
    import polars as pl

    leading = list(model.forecast.grain[:-1])
    if not leading:
        return pl.DataFrame()
    return rows.group_by(leading).agg(grains=pl.col(GRAIN).n_unique(), total=pl.col("forecast").sum()).sort(leading)


def _total(
    model: ForecastModel,
    reader: GrainReader,
    results: "pl.DataFrame",
    rows: "pl.DataFrame",
    earlier: "pl.DataFrame | None",
    totals: Totals | None,
) -> Picture:
    """The sum over all grains. Those of the grains say nothing of its interval: only a hierarchy's own backtests do."""
    import polars as pl

    times = [_origin(results) - model.dataset.step * back for back in range(_past(model))]
    past = reader.values_of(pl.Series(times, dtype=pl.Datetime("us", "UTC")))
    past = past.filter(pl.col(GRAIN).is_in(results[GRAIN].to_list()))
    actual = past.group_by("time").agg(pl.col("actual").sum()).sort("time")["actual"]
    ahead = rows.group_by("step").agg(pl.col("forecast").sum()).sort("step")["forecast"]
    before: list[tuple[int, float]] = []
    if earlier is not None:
        both = earlier.join(rows.select(GRAIN).unique(), on=GRAIN, how="semi")
        before = _from(both.group_by("time").agg(pl.col("forecast").sum()).sort("time"), _origin(results), model)
    name, whole = (
        level_name(max(model.forecast.intervals, default=0.0)),
        None if totals is None else of_all(totals, model),
    )
    low, high = (
        [] if whole is None or f"{side}_{name}" not in whole.columns else whole[f"{side}_{name}"].to_list()
        for side in ("lower", "upper")
    )
    chart = SeriesChart(actual.to_list(), ahead.to_list(), low, high, before=before)
    return Picture("", f"All {len(results)} grains together", chart.svg("the sum of all grains"))


def _pictures(
    model: ForecastModel,
    reader: GrainReader,
    worst: "pl.DataFrame",
    rows: "pl.DataFrame",
    earlier: "pl.DataFrame | None",
    active: Sequence[Adjustment],
) -> list[Picture]:
    import polars as pl

    found, origin, past = [], _origin(worst), _past(model)
    level = max(model.forecast.intervals, default=0.0)
    name = level_name(level)
    for series, row in zip(reader.read(worst[GRAIN].to_list()), worst.iter_rows(named=True), strict=True):
        own = rows.filter(pl.col(GRAIN) == series.grain).sort("step")
        before = [] if earlier is None else _from(earlier.filter(pl.col(GRAIN) == series.grain), origin, model)
        has = f"lower_{name}" in own.columns
        chart = SeriesChart(
            series.values[-past:].tolist(),
            own["forecast"].to_list(),
            own[f"lower_{name}"].to_list() if has else (),
            own[f"upper_{name}"].to_list() if has else (),
            before,
            _adjusted(own, [one for one in active if one.grain == series.grain]),
        )
        words = f"{row['candidate']}; error {row['error']:.3f}, baseline {row['baseline_error']:.3f}"
        found.append(Picture(series.grain, words, chart.svg(f"{series.grain}: {words}")))
    return found


def _adjusted(own: "pl.DataFrame", active: Sequence[Adjustment]) -> list[tuple[int, float]]:
    from almanac.forecast.adjustments import with_adjustments

    rows = with_adjustments(own.drop(GRAIN), own[GRAIN].to_list(), active) if active else own.clear()
    changed = rows.filter(rows["adjustment"] != "") if active else rows
    return list(changed.select("step", "adjusted").iter_rows()) if active else []


def _from(rows: "pl.DataFrame", origin: datetime, model: ForecastModel) -> list[tuple[int, float]]:
    """Step from an origin -> forecast."""
    pairs = rows.sort("time").select("time", "forecast").iter_rows()
    return [(round((time - origin) / model.dataset.step), value) for time, value in pairs]


def _origin(results: "pl.DataFrame") -> datetime:
    return datetime.fromisoformat(results[ORIGIN][0])


def _past(model: ForecastModel) -> int:
    return max(_PAST_HORIZONS * model.forecast.horizon, max(model.forecast.season[:1], default=1))


def traits_shown(row: Mapping[str, Any]) -> dict[str, str]:
    """Trend, seasons and parameters of a grain, in words; empty of a version of a former release."""
    if row.get("trend_strength") is None:
        return {}
    seasons = json.loads(row["seasonal_strength"])
    fitted = json.loads(row["parameters"])
    return {
        "trend": f"{row['trend_strength']:.2f}, {row['growth']:+.1%} a season",
        "seasons": ", ".join(f"{season}: {strength:.2f}" for season, strength in seasons.items()) or "–",
        "autocorrelation": f"{row['autocorrelation']:+.2f}",
        "left_out": "; ".join(f"{name}: {why}" for name, why in json.loads(row.get("left_out") or "{}").items()),
        "parameters": "; ".join(
            f"{name}: " + ", ".join(f"{key} {value}" for key, value in some.items()) for name, some in fitted.items()
        ),
    }
