"""Synthetic hourly weather of a port. These data are made up.

No hour in here was ever measured. The columns, and the rough means, deviations and ranges, are those of a
published data set of hourly weather; every value comes from random numbers and the simple shapes in this package:
seasons, days, fronts that pass (pressure falls for hours, humidity rises, the wind turns and freshens, then rain,
then recovery), showers, drizzle and the noise of sensors. Draw no conclusion about the real Turku from them.

An hour depends on the seed, the climate and its place in time alone, never on where the series starts or ends:
`generate_hours` over [a, c) is, bit for bit, [a, b) followed by [b, c).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np  # noqa: TID253  # no DAG file imports demo/, and this module is arithmetic on arrays only

from almanac.sample.climate import CHANGED_CLIMATE, Climate
from almanac.sample.counter_noise import normal, smooth_normal
from almanac.sample.weather_fronts import passing_weather, ramp

if TYPE_CHECKING:
    import polars as pl

    from almanac.sample.counter_noise import Floats, Ints

__all__ = ["CHANGED_CLIMATE", "COLUMNS", "TODAY", "Climate", "generate_hours", "generate_month"]

TODAY = Climate()
LOCATION = "Port of Turku, Finland"
TIME_ZONE = "Europe/Helsinki"
COLUMNS = (
    "Timestamp",
    "Location",
    "Temperature_C",
    "Apparent_Temperature_C",
    "Humidity",
    "Wind_speed_kmph",
    "Wind_bearing_degrees",
    "Visibility_km",
    "Pressure_millibars",
    "Weather_conditions",
)

BLOCK_H = 8760
WARM_UP_H = 1200
"""Many times the longest memory below, so that a block joins the one before it without a visible step."""


def generate_hours(start: datetime, hours: int, *, seed: int = 2026, climate: Climate = TODAY) -> pl.DataFrame:
    """Make the hours of [start, start + hours).

    Args:
        start: the first hour; aware, and on a full hour in UTC.
        hours: how many; they follow each other without a gap in UTC.
        seed: another seed is another world with the same climate.
        climate: what the weather obeys; see `Climate`.

    Raises:
        ValueError: `start` is naive or not on a full hour, or `hours` is negative.
    """
    import polars as pl

    if start.tzinfo is None:
        raise ValueError(f"generate_hours: start: got the naive {start}, expected a time with its zone, such as UTC")
    if hours < 0:
        raise ValueError(f"generate_hours: hours: got {hours}, expected 0 or more")
    since_1970 = start - datetime(1970, 1, 1, tzinfo=UTC)
    first, rest = divmod(since_1970, timedelta(hours=1))
    if rest:
        raise ValueError(f"generate_hours: start: got {start}, expected a full hour in UTC")
    last = first + max(hours, 1) - 1
    # Whole blocks at fixed places, then a slice: the same arithmetic on the same arrays, whatever was asked for.
    blocks = [_block(n, seed, climate) for n in range(first // BLOCK_H, last // BLOCK_H + 1)]
    return pl.concat(blocks).slice(first - first // BLOCK_H * BLOCK_H, hours)


def generate_month(year: int, month: int, *, seed: int = 2026, climate: Climate = TODAY) -> pl.DataFrame:
    """Make all hours of one month, cut in UTC; other arguments as for `generate_hours`."""
    start = datetime(year, month, 1, tzinfo=UTC)
    after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    return generate_hours(start, (after - start) // timedelta(hours=1), seed=seed, climate=climate)


@lru_cache(maxsize=4)
def _block(number: int, seed: int, climate: Climate) -> pl.DataFrame:
    import polars as pl

    hour = np.arange(number * BLOCK_H - WARM_UP_H, (number + 1) * BLOCK_H, dtype=np.int64)
    values = {name: column[WARM_UP_H:] for name, column in _columns(hour, seed, climate).items()}
    utc = pl.Series("Timestamp", hour[WARM_UP_H:] * 3_600_000).cast(pl.Datetime("ms", "UTC"))
    local = utc.dt.convert_time_zone(TIME_ZONE).dt.strftime("%Y-%m-%d %H:%M:%S%:z")
    return pl.DataFrame({"Timestamp": local, "Location": [LOCATION] * len(local), **values}).select(COLUMNS)


def _columns(hour: Ints, seed: int, climate: Climate) -> dict[str, np.ndarray]:
    def wander(stream: str, memory_h: float) -> Floats:
        return smooth_normal(seed, stream, hour, memory_h=memory_h)

    def noise(stream: str) -> Floats:
        return normal(seed, stream, hour)

    year = 2 * np.pi * (hour / 24 / 365.2425 - 200 / 365.2425)
    summer = np.cos(year)  # 1 in late July, -1 in late January
    day = np.cos(2 * np.pi * (hour + 1.5 - 14.5) / 24)  # 1 in the early afternoon of 22° east
    fronts = passing_weather(hour, climate, seed)

    raining = fronts.wetness + 0.20 * wander("gaps in rain", 1.2) > 0.5
    cloud = ramp(fronts.wetness + 0.3 * wander("cloud", 12) + 0.2)
    lowest_c, highest_c = -21.8 + climate.warming_c, 39.9 + climate.warming_c
    swing = (3.6 + 2.4 * summer) * (1.0 - 0.6 * cloud)
    air = (
        12.6
        + climate.warming_c
        + 11.4 * summer
        + swing * day
        + (3.6 - 0.5 * summer) * wander("air mass", 36)
        + fronts.temperature_c
    )
    temperature = np.clip(air + 0.25 * noise("thermometer"), lowest_c, highest_c)
    humidity = (
        0.655
        + climate.humidity_shift
        - 0.05 * summer
        - (0.10 + 0.06 * summer) * (1.0 - 0.6 * cloud) * day
        + 0.17 * wander("moisture", 20)
        + fronts.humidity
        + 0.06 * raining
        + 0.025 * noise("hygrometer")
    )
    humidity = np.clip(humidity, 0.05, 1.0)
    wind = 5.2 * np.exp(0.65 * wander("wind", 10) + 0.12 * noise("gust")) + fronts.wind_kmph
    wind = np.clip(wind * (1.0 + 0.12 * day) + 0.6 * noise("anemometer"), 0.0, 63.9)
    east = fronts.east - 0.25 + 0.7 * wander("wind from east", 14)
    north = fronts.north - 0.15 + 0.7 * wander("wind from north", 14)
    bearing = np.rad2deg(np.arctan2(east, north)) + 8.0 * noise("vane")
    haze = ramp((humidity - 0.80) / 0.25)
    visibility = 12.6 + 3.4 * wander("clear air", 16) - 3.5 * haze - 4.0 * raining + 1.0 * noise("visibility")
    pressure = (
        1020.5
        + climate.pressure_shift_hpa
        - 1.5 * summer
        + 6.2 * wander("pressure", 40)
        + fronts.pressure_hpa
        + 0.25 * noise("barometer")
    )
    conditions = np.where(raining, np.where(air < 0.0, "snow", "rain"), "clear")
    return {
        "Temperature_C": np.round(temperature, 2),
        "Apparent_Temperature_C": np.round(_apparent_temperature(temperature, humidity, wind), 2),
        "Humidity": np.round(humidity, 2),
        "Wind_speed_kmph": np.round(wind, 2),
        "Wind_bearing_degrees": np.round(bearing).astype(np.int64) % 360,
        "Visibility_km": np.round(np.clip(visibility, 0.1, 16.1), 2),
        "Pressure_millibars": np.round(np.clip(pressure, 950.0, 1065.0), 2),
        "Weather_conditions": conditions,
    }


def _apparent_temperature(temperature_c: Floats, humidity: Floats, wind_kmph: Floats) -> Floats:
    """What it feels like, in °C.

    Wind chill of Environment Canada (2001) when cold and windy; when hot, the simple heat index of Steadman as the
    US National Weather Service uses it, converted to °C; else the air itself.
    """
    breeze = np.maximum(wind_kmph, 4.8) ** 0.16
    chill = 13.12 + 0.6215 * temperature_c - 11.37 * breeze + 0.3965 * temperature_c * breeze
    heat_index = 1.1 * temperature_c - 3.94 + 2.61 * humidity
    felt = np.where((temperature_c <= 10.0) & (wind_kmph > 4.8), chill, temperature_c)
    return np.where(temperature_c >= 26.7, heat_index, felt)
