"""Reads the texts of a column of times in the format that it declares, into UTC."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from almanac.config.grammar.time_format import ISO, TimeFormat
from almanac.config.sections.dataset import Column
from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_CLOCK = r"^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?"
_LOCAL = r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(:\d{2})?(\.\d+)?)?$"
_WITH_OFFSET = _CLOCK + r" ?(?:[Zz]|([+-]\d{2}):?(\d{2}))$"
_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)")
_DIRECTIVE = re.compile(r"%[A-Za-z%]")
_USUAL_LENGTH = len("2021-01-31 23:00:00+02:00")
_YEARS = (1, 9998)  # Python's own times end with 9999, before the offset is taken off
_FOUR_DIGITS = 1000
_MOST_US = 250_000_000_000_000_000.0  # nearly 8,000 years, which no sum of 64 bits leaves


def read_usual_times(text: "pl.Series", declared: Column) -> "pl.Expr":
    """Read cells that look as most do, quickly; null for all others.

    Of ISO 8601: times such as `2021-01-31 23:00:00+02:00`, with few different offsets, one place for everything.
    """
    import polars as pl

    if declared.format != ISO:
        return read_times(pl.col(text.name), declared)

    cell = pl.col(text.name)
    offsets = text.str.tail(6).unique().drop_nulls()
    if len(offsets) > 1000:
        return pl.lit(None, pl.Datetime("us", "UTC"))
    shifts = {offset: _shift_us(match) for offset in offsets if (match := _OFFSET.fullmatch(offset))}
    first = text.drop_nulls().head(1).to_list()
    between = "T" if first and first[0][10:11] == "T" else " "
    clock = cell.str.head(19).str.to_datetime(f"%Y-%m-%d{between}%H:%M:%S", time_unit="us", strict=False)
    shift = cell.str.tail(6).replace_strict(shifts, default=None, return_dtype=pl.Int64).cast(pl.Duration("us"))
    time = (clock - shift).dt.replace_time_zone("UTC")
    fits = (cell.str.len_bytes() == _USUAL_LENGTH) & time.dt.year().is_between(*_YEARS)
    return pl.when(fits).then(time)


def _shift_us(match: re.Match[str]) -> int:
    sign, hours, minutes = match.groups()
    return (1 if sign == "+" else -1) * (timedelta(hours=int(hours), minutes=int(minutes)) // timedelta(microseconds=1))


def read_times(text: "pl.Expr", declared: Column) -> "pl.Expr":
    """Read cells as the column's `format` says: times in UTC, null where they are written otherwise."""
    import polars as pl

    form = declared.time_format
    match form.kind:
        case "iso":
            time = _iso(text, declared.timezone)
        case "pattern":
            time = _by_pattern(text, declared)
        case "excel":
            time = _counted(text, form, datetime(1899, 12, 30))  # noqa: DTZ001 - a local clock's
            time = _as_utc(time.dt.round("1ms"), declared.timezone)
        case "epoch":
            time = _counted(text, form, datetime(1970, 1, 1, tzinfo=UTC))
        case "elapsed":
            time = _counted(text, form, declared.origin or datetime(1970, 1, 1, tzinfo=UTC))
    return pl.when(time.dt.year().is_between(*_YEARS)).then(time)


def _by_pattern(text: "pl.Expr", declared: Column) -> "pl.Expr":
    """A text by the directives of `strptime`; an hour without minutes is whole."""
    import polars as pl

    pattern, plain = declared.format.replace(".%f", "%.f"), text.str.strip_chars()
    if {"%H", "%I"} & set(_DIRECTIVE.findall(pattern)) and "%M" not in pattern:
        pattern, plain = f"{pattern} %M", plain + " 00"
    if "%z" in pattern:
        return plain.str.to_datetime(pattern, time_unit="us", time_zone="UTC", strict=False)
    local = plain.str.to_datetime(pattern, time_unit="us", strict=False)
    if "%Y" in pattern:  # the parser takes `21` for the year 21
        local = pl.when(local.dt.year() >= _FOUR_DIGITS).then(local)
    if "%y" in pattern:
        local = _in_century(local, declared.pivot_year)
    return _as_utc(local, declared.timezone)


def _in_century(local: "pl.Expr", pivot: int) -> "pl.Expr":
    """Times of two-digit years, moved to the century that the pivot says; null for a 29 February that it has not."""
    import polars as pl

    year = local.dt.year()
    wanted = year % 100 + pl.when(year % 100 < pivot).then(2000).otherwise(1900)
    moved = (
        pl.when(year > wanted)
        .then(local.dt.offset_by("-100y"))
        .when(year < wanted)
        .then(local.dt.offset_by("100y"))
        .otherwise(local)
    )
    return pl.when(moved.dt.day() == local.dt.day()).then(moved)


def _counted(text: "pl.Expr", form: TimeFormat, origin: datetime) -> "pl.Expr":
    """So many units since a moment; whole ones to the last digit, others as exactly as a float is."""
    import polars as pl

    plain = text.str.strip_chars()
    whole, count = plain.cast(pl.Int64, strict=False), plain.cast(pl.Float64, strict=False)
    exact = whole // 1000 if form.unit_us < 1 else whole * int(form.unit_us)
    fits = (count * form.unit_us).abs() < _MOST_US
    span = pl.when(fits).then(pl.coalesce(exact, (count * form.unit_us).round(0).cast(pl.Int64, strict=False)))
    return pl.lit(origin) + span.cast(pl.Duration("us"))


def _as_utc(local: "pl.Expr", timezone: str | None) -> "pl.Expr":
    """What a clock shows, in UTC; what it shows twice or never is null."""
    zone = timezone or "UTC"
    return local.dt.replace_time_zone(zone, ambiguous="null", non_existent="null").dt.convert_time_zone("UTC")


def _iso(text: "pl.Expr", timezone: str | None) -> "pl.Expr":
    """ISO 8601 with a date, at least minutes, and an offset; without one by `timezone`."""
    import polars as pl

    plain = text.str.strip_chars()
    parts = plain.str.extract_groups(_WITH_OFFSET).struct
    offset = parts.field("5").fill_null("+00") + parts.field("6").fill_null("00")
    seconds = parts.field("3").fill_null(":00") + parts.field("4").fill_null("")
    iso = parts.field("1") + " " + parts.field("2") + seconds + offset
    time = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f%z", time_unit="us", time_zone="UTC", strict=False)
    if timezone is not None:
        time = pl.coalesce(time, _local_time(plain, timezone))
    return time


def _local_time(plain: "pl.Expr", timezone: str) -> "pl.Expr":
    """A time by this clock, or a day, which begins at its midnight. What the clock shows twice or never is null."""
    parts = plain.str.extract_groups(_LOCAL).struct
    clock = parts.field("2").fill_null("00:00") + parts.field("3").fill_null(":00") + parts.field("4").fill_null("")
    local = (parts.field("1") + " " + clock).str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    return _as_utc(local, timezone)


def check_offsets(text: "pl.Series", declared: Column, name: str) -> None:
    """Say so where not one cell of a column can be read because none has an offset.

    Raises:
        DataError: that is why.
    """
    if declared.format != ISO or declared.timezone is not None:
        return
    plain = text.drop_nulls().str.strip_chars()
    naive = plain.filter(plain.str.contains(_CLOCK + "$"))
    if len(naive):
        raise DataError(
            f"{name}: schema: {text.name}: timestamp without offset; got {naive[0]!r}, expected"
            f" '2021-01-31T23:00:00+02:00' or '...Z'. Local times without an offset are ambiguous twice a year: write"
            f" the offset, or say whose clock it is (timezone of the column)."
        )


def write_times(time: "pl.Expr", declared: Column) -> "pl.Expr":
    """Times as texts in the column's format: what `read_times` reads back, to the second at least."""
    import polars as pl

    form = declared.time_format
    if form.kind == "iso":
        return time.dt.strftime("%Y-%m-%dT%H:%M:%S%.f%:z")
    if form.kind in ("epoch", "elapsed"):
        origin = declared.origin or datetime(1970, 1, 1, tzinfo=UTC)
        count = (time - pl.lit(origin)).dt.total_microseconds() / form.unit_us
        return (
            pl.when(count == count.round(0)).then(count.cast(pl.Int64).cast(pl.String)).otherwise(count.cast(pl.String))
        )
    local = time.dt.convert_time_zone(declared.timezone or "UTC")
    if form.kind == "excel":
        days = (local.dt.replace_time_zone(None) - pl.lit(datetime(1899, 12, 30))).dt.total_microseconds()  # noqa: DTZ001
        return (days / form.unit_us).cast(pl.String)
    return local.dt.strftime(declared.format.replace(".%f", "%.f"))
