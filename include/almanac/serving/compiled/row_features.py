"""What `almanac.features` builds of few rows, evaluated value by value: the same figures to the last bit.

A division by a constant is a multiplication by its reciprocal here, because polars computes it so.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import (
    CategoryFeature,
    ColumnFeature,
    RollingFeature,
    TextFeature,
    TimeFeature,
)
from almanac.features.categories import CODE_BITS
from almanac.features.features import feature_columns
from almanac.features.rolling import window_edges, window_figures
from almanac.features.split_groups import bits_of_text
from almanac.serving.compiled.asked_cells import NOT_A_NUMBER, AskedCells
from almanac.serving.compiled.cells import MICROSECOND, UnclearError
from almanac.serving.compiled.past import Key
from almanac.serving.compiled.zones import clock_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Lines = Callable[[AskedCells], Iterable[Sequence[float]]]
_KEYS = ("string", "integer", "timestamp")  # types whose values are equal in one way only
_DAY_S, _SECOND_US = 86_400, 1_000_000
_YEAR_DAYS = 365.25
_UNIX_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SATURDAY = 6
MOST_CHARACTERS = 2_000
"""Of all texts of a request; more would hold up the event loop."""
_CODE = 1 << (64 - CODE_BITS)


class RowFeatures:
    """The features of a model for few rows.

    Args:
        model: its features must all be known; see `is_known`.
    """

    def __init__(self, model: Model) -> None:
        self._lines = [_lines_of(model, feature) for feature in model.features]

    def build(self, asked: AskedCells) -> "NDArray[np.float32]":
        """The features, float32 [n, k], NaN where unknown.

        Raises:
            UnclearError: only the general path can say.
        """
        import numpy as np

        rows: list[list[float]] = [[] for _ in asked.times]
        for lines in self._lines:
            for row, line in zip(rows, lines(asked), strict=True):
                row.extend(line)
        with np.errstate(over="ignore"):  # what no float32 holds is no reading
            block = np.array(rows, dtype=np.float64).astype(np.float32)
        block[~np.isfinite(block)] = np.nan
        return block


def is_known(model: Model) -> bool:
    """Whether every feature can be evaluated row by row."""
    columns = model.dataset.columns
    looking = any(feature.history for feature in model.features)
    if model.joins or not set(feature_columns(model)) <= set(columns):
        return False
    for by in groupings(model):
        if model.dataset.time in by or any(columns[name].type not in _KEYS for name in by):
            return False
    known = (ColumnFeature, CategoryFeature, TextFeature, TimeFeature, RollingFeature)
    return all(isinstance(feature, known) for feature in model.features) and not (looking and model.dataset.is_arrival)


def groupings(model: Model) -> set[tuple[str, ...]]:
    """The sets of columns by which features look at other rows."""
    key = other_keys(model)
    found = {_per(model, feature) for feature in model.features if isinstance(feature, RollingFeature)}
    return found | {key} if any(feature.history for feature in model.features) else found


def other_keys(model: Model) -> tuple[str, ...]:
    """The columns of the key beside the time."""
    return tuple(name for name in model.dataset.key if name != model.dataset.time)


def looked_back_at(model: Model) -> set[str]:
    """The columns of numbers whose earlier values features read."""
    return {feature.column for feature in model.features if feature.history and not isinstance(feature, TimeFeature)}  # type: ignore[union-attr]


def _per(model: Model, feature: RollingFeature) -> tuple[str, ...]:
    return feature.per or other_keys(model)


def _lines_of(model: Model, feature: object) -> _Lines:
    match feature:
        case TextFeature():
            return _text(feature)
        case TimeFeature():
            return _of_time(feature)
        case RollingFeature():
            return _rolling(feature, _per(model, feature))
        case CategoryFeature():
            return lambda asked: ((_code(each),) for each in asked.values[feature.column])
        case ColumnFeature():
            return _of_column(feature)
    raise TypeError(f"no features of the kind {type(feature).__name__} are evaluated row by row")


def _code(value: object) -> float:
    return NOT_A_NUMBER if value is None else float(bits_of_text(str(value)) // _CODE + 1)


def _of_column(feature: ColumnFeature) -> _Lines:
    column = feature.column
    match feature.form:
        case "equals" | "one_of":
            wanted = feature.one_of or (feature.equals,)
            unknown = (NOT_A_NUMBER,) * len(wanted)
            return lambda asked: (
                unknown if each is None else [float(each == one) for one in wanted] for each in asked.values[column]
            )
        case "cycle":
            share = 1.0 / (feature.cycle or 1.0)
            return lambda asked: (_circle(each * share) for each in asked.numbers(column))
        case "change":
            return lambda asked: (
                (now - then,) for now, then in zip(asked.numbers(column), _earlier(feature, asked), strict=True)
            )
        case "lag":
            return lambda asked: ((each,) for each in _earlier(feature, asked))
        case "missing":
            return lambda asked: ((float(each is None),) for each in asked.values[column])
        case "age":
            return lambda asked: (
                (NOT_A_NUMBER if each is None else (time - each) * (1 / 1e6) * (1 / 3600),)  # type: ignore[operator]
                for time, each in zip(asked.times, asked.values[column], strict=True)
            )
    return lambda asked: zip(asked.numbers(column), strict=True)


def _earlier(feature: ColumnFeature, asked: AskedCells) -> Iterator[float]:
    """The column's value exactly so long before each row: of the request, else of the dataset."""
    group, back, values = asked.group(asked.key), feature.history // MICROSECOND, asked.numbers(feature.column)
    for key, time in asked.own:
        place = asked.own.get((key, time - back))
        if place is not None:
            yield values[place]
        else:
            stored = group.place(key, time - back)
            yield NOT_A_NUMBER if stored is None else float(group.values[feature.column][stored])


def _rolling(feature: RollingFeature, per: tuple[str, ...]) -> _Lines:
    over = feature.over // MICROSECOND

    def lines(asked: AskedCells) -> Iterable[Sequence[float]]:
        import numpy as np

        values, group = asked.numbers(feature.column), asked.group(per)
        found, together = [NOT_A_NUMBER] * len(values), dict[Key, list[int]]()
        for row, key in enumerate(asked.keys(per)):
            together.setdefault(key, []).append(row)
        for key, rows in together.items():
            at = np.array([asked.times[row] for row in rows], dtype=np.int64)
            part = group.window(key, int(at.min()) - over, int(at.max()))
            times, before = group.times[part], group.values[feature.column][part]
            if asked.replaced:
                kept = ~np.isin(group.numbers[part], list(asked.replaced))
                times, before = times[kept], before[kept]
            times, seen = np.concatenate([times, at]), np.concatenate([before, [values[row] for row in rows]])
            order = np.lexsort((seen, times))
            start, end = window_edges(times[order], at, over)
            for row, figure in zip(rows, window_figures(seen[order], start, end, feature.take).tolist(), strict=True):
                found[row] = figure
        return zip(found, strict=True)

    return lines


def _of_time(feature: TimeFeature) -> _Lines:
    clock, kind = clock_of(feature.timezone), feature.time

    def line(time: int) -> tuple[float, ...]:
        days, second = divmod(clock(time) // _SECOND_US, _DAY_S)
        weekday = (days + 3) % 7 + 1  # 1970-01-01 was a Thursday
        day = second * (1 / _DAY_S)
        match kind:
            case "hour_of_day":
                return _circle(day)
            case "day_of_week":
                return _circle((weekday - 1 + day) * (1 / 7))
            case "day_of_year":
                of_year = date.fromordinal(days + _UNIX_EPOCH_DAY).timetuple().tm_yday
                return _circle((of_year - 1 + day) * (1 / _YEAR_DAYS))
        return (float(weekday >= _SATURDAY),)

    return lambda asked: map(line, asked.times)


def _circle(turns: float) -> tuple[float, float]:
    angle = turns * (2 * math.pi)
    return (NOT_A_NUMBER, NOT_A_NUMBER) if math.isinf(angle) else (math.sin(angle), math.cos(angle))


def _text(feature: TextFeature) -> _Lines:
    by_word, (low, high) = feature.by == "word", feature.ngrams

    def line(text: object) -> Sequence[float]:
        found = [0.0] * feature.hash
        if text is None:
            return found
        if not isinstance(text, str) or not text.isascii():  # of other letters two libraries' tables may differ
            raise UnclearError
        plain = text.lower()
        tokens: Sequence[str] = re.findall(r"\w+", plain, re.ASCII) if by_word else re.sub(r"(?a:\s+)", " ", plain)
        between = " " if by_word else ""
        counts = Counter(
            bits_of_text(between.join(tokens[first : first + size])) % feature.hash
            for size in range(low, high + 1)
            for first in range(len(tokens) - size + 1)
        )
        length = math.sqrt(sum(count * count for count in counts.values()))
        for place, count in counts.items():
            found[place] = count / length
        return found

    def lines(asked: AskedCells) -> Iterable[Sequence[float]]:
        texts = asked.values[feature.text]
        if sum(len(text) for text in texts if isinstance(text, str)) > MOST_CHARACTERS:
            raise UnclearError
        return map(line, texts)

    return lines
