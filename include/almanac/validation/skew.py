"""Checks of a batch as a whole, against rows like it that were published before."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING

from almanac.config.sections.dataset import Column, Dataset, Skew
from almanac.validation.findings import BatchFinding
from almanac.validation.rhythm import MIN_ALONE, Offset, common_offset, offset
from almanac.validation.rules import unparsed
from almanac.validation.unit_change import unit_change
from almanac.validation.units import other_unit

if TYPE_CHECKING:
    import polars as pl

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_NORMAL_SPREAD = 2.563  # of a normal distribution, between the outer quantiles, in deviations
_MANY_CATEGORIES = 100
_DAYS_BESIDE = 3
_MIN_RUN = 24  # steps
_GAP = timedelta(days=7)


@dataclass(frozen=True)
class BatchFacts:
    """What is known of the whole batch, beside the sample.

    Attributes:
        rows: its good rows.
        first: the first event time among them, `last` the last.
        usual_rows: of earlier batches; None where there were few.
    """

    rows: int
    first: datetime | None
    last: datetime | None
    usual_rows: float | None


def find_skew(
    sample: "pl.DataFrame", reference: "pl.DataFrame | None", facts: BatchFacts, dataset: Dataset, *, now: datetime
) -> tuple[BatchFinding, ...]:
    """Find what is odd about a batch as a whole.

    Args:
        sample: rows of the batch with typed and helper columns, evenly spaced.
        reference: published rows like those that the batch should hold; None: no check that needs them.
        facts: about all rows.
        dataset: the declared columns and limits.
        now: the time of the ingest.
    """
    skew = dataset.skew
    if skew is None:
        return ()
    found = list(_extent(facts, dataset, skew, now))
    if reference is not None and min(sample.height, reference.height) >= skew.min_rows:
        for name, column in dataset.columns.items():
            found += _column(name, column, sample, reference, dataset, skew)
        found += [] if dataset.is_arrival else _rhythm(sample, reference, dataset, skew)
    found += _constant(sample, reference, dataset, skew)
    return tuple(BatchFinding(rule, dataset.action(rule), text) for rule, text in found)


def _extent(facts: BatchFacts, dataset: Dataset, skew: Skew, now: datetime) -> Iterator[tuple[str, str]]:
    if facts.usual_rows and not 1 / skew.volume <= facts.rows / facts.usual_rows <= skew.volume:
        yield "batch.volume", f"{facts.rows} rows, while the last batches had {facts.usual_rows:.0f}"
    if facts.first is None or facts.last is None:
        return
    if dataset.is_arrival:
        return  # the rows of a delivery are of one time
    steps = (facts.last - facts.first) // dataset.step + 1
    if dataset.key == (dataset.time,) and steps >= skew.min_rows:
        between = f"between {facts.first:%Y-%m-%d} and {facts.last:%Y-%m-%d}"
        if 1 - facts.rows / steps > skew.gaps:
            yield f"{dataset.time}.gaps", f"{steps - facts.rows} of {steps} steps are missing {between}"
        if skew.dense is not None and facts.rows / steps > skew.dense:
            yield f"{dataset.time}.dense", f"{facts.rows} rows in {steps} steps of {dataset.step} {between}"
    if skew.max_age is not None and now - facts.last > skew.max_age:
        newest = f"{facts.last:%Y-%m-%d %H:%M} UTC"
        yield f"{dataset.time}.stale", f"the newest row is of {newest}, older than {skew.max_age}"


def _column(
    name: str, column: Column, sample: "pl.DataFrame", reference: "pl.DataFrame", dataset: Dataset, skew: Skew
) -> Iterator[tuple[str, str]]:
    if column.nullable and not column.optional:
        yield from _null_share(name, sample, reference, skew)
    if column.type == "string":
        yield from _categories(name, sample, reference, skew)
    elif column.type != "timestamp":
        batch = sample.select(time=dataset.time, value=name).drop_nulls().sort("time")
        usual = reference.select(time=dataset.time, value=name).drop_nulls()
        if min(batch.height, usual.height) >= skew.min_rows:
            yield from _level(name, column, batch, usual, dataset.step, skew)
            yield from _flat(name, batch, usual, dataset.step, skew)


def _null_share(name: str, sample: "pl.DataFrame", reference: "pl.DataFrame", skew: Skew) -> Iterator[tuple[str, str]]:
    empty = sample[name].is_null()
    if unparsed(name) in sample.columns:
        empty &= sample[unparsed(name)].is_null()
    share, usual = int(empty.sum()) / sample.height, reference[name].null_count() / reference.height
    if share - usual > skew.null_share:
        yield f"{name}.null_share", f"{share:.0%} of the cells are empty, usually {usual:.0%}"


def _categories(name: str, sample: "pl.DataFrame", reference: "pl.DataFrame", skew: Skew) -> Iterator[tuple[str, str]]:
    if reference[name].n_unique() > _MANY_CATEGORIES:
        return
    shares = [dict(frame[name].value_counts(normalize=True).iter_rows()) for frame in (sample, reference)]
    now, usual = ({str(value): share for value, share in one.items()} for one in shares)
    distance = sum(abs(now.get(value, 0) - usual.get(value, 0)) for value in {*now, *usual}) / 2
    if distance > skew.categories:
        text = ", ".join(f"{value} {share:.0%} (usually {usual.get(value, 0):.0%})" for value, share in now.items())
        yield f"{name}.categories", f"other shares: {text[:300]}"


def _level(
    name: str, column: Column, batch: "pl.DataFrame", usual: "pl.DataFrame", step: timedelta, skew: Skew
) -> Iterator[tuple[str, str]]:
    """Whether the values are where they usually are, and move at all."""
    seen, before = _quantiles(batch["value"]), _quantiles(usual["value"])
    common, common_before = _most_common(batch["value"]), _most_common(usual["value"])
    if common > skew.stuck and common_before < skew.stuck / 2:
        yield f"{name}.stuck", f"one value makes up {common:.0%} of the rows, usually {common_before:.0%}"
    scale = (before[-1] - before[0]) / _NORMAL_SPREAD
    if scale <= 0:
        return
    jump, day = _largest_jump(batch)
    unit = other_unit(seen, before, scale, column.unit)
    shift = abs(seen[2] - before[2]) / scale
    medians = f"median {seen[2]:.4g}, usually {before[2]:.4g}"
    if jump / scale > skew.change_point:
        yield f"{name}.change_point", f"the level jumps by {jump:.4g} on {day}, {jump / scale:.1f} usual deviations"
    if (part := unit_change(batch, usual, column.unit, step)) is not None:
        when = f"{part.where} {part.at:%Y-%m-%d %H:%M} UTC"
        levels = f"a day's median there changes from {part.before:.4g} to {part.after:.4g} {column.unit}".rstrip()
        yield f"{name}.unit", f"seems to be in another unit ({part.unit}) {when}: {levels}, a change never seen before"
    elif unit is not None:
        yield f"{name}.unit", f"seems to be in another unit ({unit}): {medians} {column.unit}".rstrip()
    elif shift > skew.shift:
        yield f"{name}.shift", f"{medians}: {shift:.1f} usual deviations"


def _flat(
    name: str, batch: "pl.DataFrame", usual: "pl.DataFrame", step: timedelta, skew: Skew
) -> Iterator[tuple[str, str]]:
    """Whether one number stands for longer than it ever does."""
    if skew.flat is None:
        return
    (longest, value, since), (before, _, _) = _longest_run(batch), _longest_run(usual.sort("time"))
    if longest >= _MIN_RUN * step and longest > skew.flat * max(before, step):
        text = f"{value:.4g} does not change for {longest} from {since:%Y-%m-%d %H:%M} UTC on"
        yield f"{name}.flat", f"{text}; usually for at most {before}"


def _longest_run(rows: "pl.DataFrame") -> tuple[timedelta, float, datetime]:
    """How long the longest run of one number lasts, the number, and its beginning; a longer gap ends a run."""
    import polars as pl

    time, value = pl.col("time"), pl.col("value")
    changed = ((value != value.shift(1)) | (time - time.shift(1) > _GAP)).fill_null(True)
    runs = (
        rows.with_columns(run=changed.cum_sum())
        .group_by("run")
        .agg(time.first(), value.first(), lasts=time.last() - time.first())
    )
    lasts, number, since = runs.select("lasts", "value", "time").row(runs["lasts"].arg_max() or 0)
    return lasts, float(number), since


def _quantiles(values: "pl.Series") -> list[float]:
    return [float(values.quantile(level, interpolation="linear") or 0.0) for level in _QUANTILES]


def _most_common(values: "pl.Series") -> float:
    """The share of the most common value."""
    counts = values.value_counts()["count"].to_list()
    return float(max(counts)) / len(values)


def _largest_jump(batch: "pl.DataFrame") -> tuple[float, date | None]:
    """The largest step between the medians of three days and of the next three, and the day of it."""
    import polars as pl

    days = batch.group_by(day=pl.col("time").dt.date()).agg(pl.col("value").median()).sort("day")
    values = days["value"].to_list()
    steps = [
        (abs(median(values[at : at + _DAYS_BESIDE]) - median(values[at - _DAYS_BESIDE : at])), days["day"][at])
        for at in range(_DAYS_BESIDE, len(values) - _DAYS_BESIDE + 1)
    ]
    return max(steps, default=(0.0, None))


def _rhythm(
    sample: "pl.DataFrame", reference: "pl.DataFrame", dataset: Dataset, skew: Skew
) -> Iterator[tuple[str, str]]:
    """Whether the day's high and low come when they usually do, in each column and in several that agree."""
    offsets: dict[str, Offset] = {}
    for name, column in dataset.columns.items():
        if column.type in ("float", "integer"):
            batch, usual = (frame.select(time=dataset.time, value=name).drop_nulls() for frame in (sample, reference))
            enough = min(batch.height, usual.height) >= skew.min_rows
            found = offset(batch, usual) if enough else None
            offsets |= {} if found is None else {name: found}
    limit_h = skew.rhythm / timedelta(hours=1)
    for name, one in offsets.items():
        if one.amplitude >= MIN_ALONE and abs(one.hours) > limit_h:
            yield f"{name}.rhythm", f"the daily rhythm is {one.hours:+.1f} hours off its usual time"
    common = common_offset(offsets, skew.rhythm)
    if common is not None:
        hours, names = common
        text = f"the days of {', '.join(names)} are all {hours:+.1f} hours off their usual times"
        yield (
            f"{dataset.time}.offset",
            f"{text}: an offset was lost or applied twice. Deliver the file with correct times",
        )


def _constant(
    sample: "pl.DataFrame", reference: "pl.DataFrame | None", dataset: Dataset, skew: Skew
) -> Iterator[tuple[str, str]]:
    """Numbers that never were another one: no model can be trained on them.

    A text may well be one and the same, as the name of a place is; so may a number that is declared so.
    """
    for name, column in dataset.columns.items():
        number = column.type in ("float", "integer") and name not in dataset.key
        if not number or (column.min is not None and column.min == column.max):
            continue
        values = sample[name].drop_nulls()
        if len(values) < skew.min_rows or values.n_unique() > 1:
            continue
        if reference is None or (reference[name] == values[0]).all():
            published = "" if reference is None else ", and neither do the published ones"
            yield f"{name}.constant", f"{len(values)} rows have no value but {values[0]:g}{published}: is it measured?"
