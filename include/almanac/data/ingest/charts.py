"""The picture of each failing column: its good values, its bad ones, and the declared limits. Drawn by the template."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from almanac.validation.rules import Rule

if TYPE_CHECKING:
    import polars as pl

    from almanac.data.ingest.batch import CheckedBatch

_CHARTS = 6
_BINS = 32
_CATEGORIES = 8
_GOOD_ROWS = 100_000
_BAD_ROWS = 10_000
_LEFT, _WIDTH, _HEIGHT = 8.0, 384.0, 122.0  # of the drawing, as the template's viewBox has it
_LARGEST = 1e150  # of an axis: differences of larger numbers overflow; what lies beyond stands in the outermost bar
_VISIBLE = 3.0  # one bad row among a million must be seen


@dataclass(frozen=True)
class Bar:
    """Values in one interval, or of one text; sizes in the units of the template's viewBox."""

    label: str
    good: int
    bad: int
    x: float
    width: float
    good_height: float
    bad_height: float


@dataclass(frozen=True)
class Chart:
    """One column. `edges` are the limits' places, `ticks` are place, anchor and text."""

    column: str
    text: str
    bars: tuple[Bar, ...]
    edges: tuple[float, ...] = ()
    ticks: tuple[tuple[float, str, str], ...] = ()


@dataclass(frozen=True)
class _Values:
    """A column's good values, and the texts of the cells that broke a rule of the column."""

    column: str
    good: "pl.Series"
    bad: "pl.Series"
    rules: tuple[Rule, ...]


def draw_columns(checked: "CheckedBatch", rules: Sequence[Rule]) -> tuple[Chart, ...]:
    """Draw the columns whose own rules were broken, the worst first; six at most.

    Of many good rows evenly spaced ones are counted, of many bad rows the first.
    """
    bad = checked.bad(_BAD_ROWS)
    if bad.is_empty():
        return ()
    records = [json.loads(raw) for raw in bad["raw"]]
    columns = dict.fromkeys(name for record in records for name in record)
    broken = {name: count for name, count in checked.broken_rules.items() if count}
    worst = sorted((rule for rule in rules if rule.name in broken), key=lambda rule: -broken[rule.name])
    names = [name for name in dict.fromkeys(rule.column for rule in worst) if name in columns][:_CHARTS]
    return tuple(_draw(_values(name, checked, bad["rules"].to_list(), records, rules)) for name in names)


def _values(
    column: str,
    checked: "CheckedBatch",
    broken: Sequence[Sequence[str]],
    records: Sequence[dict[str, str | None]],
    rules: Sequence[Rule],
) -> _Values:
    import polars as pl

    own = tuple(rule for rule in rules if rule.column == column)
    names = {rule.name for rule in own}
    bad = [
        record.get(column) for record, broken_rules in zip(records, broken, strict=True) if names & set(broken_rules)
    ]
    good = pl.Series(column, [], pl.String)
    if checked.parts:
        rows = pl.scan_parquet([part.path for part in checked.parts]).select(column)
        good = rows.gather_every(math.ceil(checked.good_rows / _GOOD_ROWS)).collect().to_series()
    return _Values(column, good.drop_nulls(), pl.Series(column, bad, pl.String), own)


def _draw(values: _Values) -> Chart:
    import polars as pl

    kinds = {rule.kind for rule in values.rules}
    if values.good.dtype.is_numeric() or (values.good.is_empty() and "range" in kinds):
        numbers = values.bad.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
        return _histogram(values, values.good.cast(pl.Float64, strict=False), numbers, lambda value: f"{value:g}")
    if values.good.dtype.is_temporal():
        seconds = values.good.dt.epoch("s").cast(pl.Float64)
        times = pl.Series([_seconds(text) for text in values.bad], dtype=pl.Float64)
        return _histogram(values, seconds, times, lambda value: f"{datetime.fromtimestamp(value, UTC):%Y-%m-%d}")
    return _categories(values)


def _seconds(text: str | None) -> float | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time.timestamp() if time.tzinfo else None


def _histogram(values: _Values, good: "pl.Series", bad: "pl.Series", describe: Callable[[float], str]) -> Chart:
    """Bars of equal width. What lies far outside stands in the outermost bars, so that the rest can be told apart."""
    good, finite = (each.filter(each.is_finite()).clip(-_LARGEST, _LARGEST) for each in (good, bad))
    declared = (limit for rule in values.rules for limit in (rule.minimum, rule.maximum) if limit is not None)
    limits = [float(limit) for limit in declared if abs(limit) <= _LARGEST]
    low, high = _reach(good, finite, limits)
    bins = [_counts(numbers, low, high) for numbers in (good, finite)]
    step = (high - low) / _BINS
    bars = _bars([(describe(low + n * step), bins[0][n], bins[1][n]) for n in range(_BINS)])
    unread = len(bad) - len(finite)
    text = _cut_text(values)
    if unread:
        text += f" {unread} of the bad cells are no value at all and not shown: {_worst_texts(values, bad)}."
    edges = tuple(_position(limit, low, high) for limit in limits if low <= limit <= high)
    ticks = [(low, "start"), ((low + high) / 2, "middle"), (high, "end")]
    return Chart(
        values.column,
        text,
        bars,
        edges,
        tuple((_position(at, low, high), anchor, describe(at)) for at, anchor in ticks),
    )


def _reach(good: "pl.Series", bad: "pl.Series", limits: Sequence[float]) -> tuple[float, float]:
    inner = [float(str(end)) for end in (good.min(), good.max()) if end is not None] + list(limits)
    inner = inner or [float(str(end)) for end in (bad.min(), bad.max()) if end is not None] or [0.0]
    low, high = min(inner), max(inner)
    span = (high - low) or abs(low) or 1.0
    outer = [min(max(value, low - span), high + span) for value in bad]
    low, high = min([low, *outer]), max([high, *outer])
    return (low, high) if high > low else (low - span / 2, high + span / 2)


def _counts(numbers: "pl.Series", low: float, high: float) -> list[int]:
    positions = ((numbers - low) / (high - low) * _BINS).floor().clip(0, _BINS - 1)
    found = dict(positions.value_counts().iter_rows())
    return [int(found.get(float(n), 0)) for n in range(_BINS)]


def _categories(values: _Values) -> Chart:
    """The most frequent texts; bad ones first, for they are why the chart is there."""
    good = dict(values.good.value_counts(sort=True).iter_rows())
    bad = dict(values.bad.fill_null("").value_counts(sort=True).iter_rows())
    names = list(dict.fromkeys([*list(bad)[: _CATEGORIES // 2], *good]))[:_CATEGORIES]
    bars = _bars([(name or "(empty)", good.get(name, 0), bad.get(name, 0)) for name in names])
    ticks = tuple(
        (bar.x + bar.width / 2, "middle", bar.label if len(bar.label) <= 60 // len(bars) else f"{bar.label[:5]}…")
        for bar in bars
    )
    return Chart(values.column, _cut_text(values), bars, ticks=ticks)


def _bars(counts: Sequence[tuple[str, int, int]]) -> tuple[Bar, ...]:
    tallest = max((good + bad for _, good, bad in counts), default=0) or 1
    width = _WIDTH / max(len(counts), 1)
    return tuple(
        Bar(
            label,
            good,
            bad,
            _LEFT + n * width,
            width * 0.9,
            good / tallest * (_HEIGHT - _VISIBLE),
            max(bad / tallest * (_HEIGHT - _VISIBLE), _VISIBLE) if bad else 0.0,
        )
        for n, (label, good, bad) in enumerate(counts)
    )


def _position(value: float, low: float, high: float) -> float:
    return _LEFT + (value - low) / (high - low) * _WIDTH


def _cut_text(values: _Values) -> str:
    expected = "; ".join(dict.fromkeys(rule.says for rule in values.rules))
    return f"{len(values.good):,} good values, {len(values.bad):,} bad. Expected: {expected}."


def _worst_texts(values: _Values, numbers: "pl.Series") -> str:
    texts = values.bad.filter(numbers.is_null() | ~numbers.is_finite()).fill_null("").value_counts(sort=True)
    return ", ".join(f"{text[:20]!r} × {count}" if text else f"empty × {count}" for text, count in texts.head(3).rows())
