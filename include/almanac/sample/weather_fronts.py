"""Fronts, showers and drizzle: what passes over the port, as sums of smooth shapes in absolute time.

Each passing thing sits in a slot of fixed length, counted from 1970; its time, strength and kind are random
numbers of that slot. The weather of an hour is the sum over the few slots around it: no state runs along, no row
needs the row before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np  # noqa: TID253  # no DAG file imports demo/, and this module is arithmetic on arrays only

from almanac.sample.counter_noise import normal, uniform

if TYPE_CHECKING:
    from almanac.sample.climate import Climate
    from almanac.sample.counter_noise import Floats, Ints

FRONT_SLOT_H = 36
SHOWER_SLOT_H = 24
DRIZZLE_SLOT_H = 60


@dataclass(frozen=True)
class Passing:
    """What fronts, showers and drizzle add to each hour; every array has one value per hour.

    Attributes:
        pressure_hpa: to add.
        humidity: to add, a share of 1.
        temperature_c: to add.
        wind_kmph: to add.
        east: eastward part of the direction that the fronts' wind comes from, weighted by their strength.
        north: its northward part.
        wetness: 0 dry to about 1 in the middle of rain.
    """

    pressure_hpa: Floats
    humidity: Floats
    temperature_c: Floats
    wind_kmph: Floats
    east: Floats
    north: Floats
    wetness: Floats


def passing_weather(hour: Ints, climate: Climate, seed: int) -> Passing:
    """Sum what passes over the port.

    Args:
        hour: consecutive whole hours since 1970-01-01 UTC.
        climate: how fronts show themselves.
        seed: of the whole world.
    """
    fronts = _fronts(hour, climate, seed)
    shower = _showers(hour, seed)
    drizzle, drizzle_damp = _drizzle(hour, seed)
    return Passing(
        pressure_hpa=fronts.pressure_hpa,
        humidity=fronts.humidity + 0.10 * shower + 0.12 * drizzle_damp,
        temperature_c=fronts.temperature_c - 2.5 * shower,
        wind_kmph=fronts.wind_kmph + 5.0 * shower,
        east=fronts.east,
        north=fronts.north,
        wetness=np.maximum(fronts.wetness, np.maximum(shower, drizzle)),
    )


def ramp(x: Floats) -> Floats:
    """Rise smoothly from 0 (x <= 0) to 1 (x >= 1)."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def _fronts(hour: Ints, climate: Climate, seed: int) -> Passing:
    """Pressure falls for 6 to 12 h, rain for hours, then recovery; the wind turns right as the front leaves."""
    t = hour.astype(np.float64)[:, None]
    slot = (hour // FRONT_SLOT_H)[:, None] + np.arange(-2, 2)

    def between(stream: str, low: float, high: float) -> Floats:
        return low + (high - low) * uniform(seed, stream, slot)

    start = slot * FRONT_SLOT_H + between("front time", 0.0, 0.75) * FRONT_SLOT_H
    lead = between("front lead", 6.0, 12.0)
    end = start + between("front rain a", 2.0, 9.0) + between("front rain b", 3.0, 9.0)
    clearing = end - between("front clearing", 3.0, 7.0)
    strength = np.clip(1.0 + 0.35 * normal(seed, "front strength", slot), 0.3, 2.0)
    from_wet_side = uniform(seed, "front side", slot) < 0.72
    off_axis = 32.0 * normal(seed, "front axis", slot)
    bearing = climate.wet_bearing_deg + off_axis + np.where(from_wet_side, 0.0, 165.0)
    moisture = normal(seed, "front moisture", slot)
    wet = np.cos(np.deg2rad(bearing - climate.wet_bearing_deg)) + 0.35 * moisture > 0.15

    trough = ramp((t - start + lead) / lead) - ramp((t - clearing) / (end - clearing + 10.0))
    damp = ramp((t - start + lead) / lead) - ramp((t - clearing) / 8.0)
    blow = ramp((t - start + 7.0) / 8.0) - ramp((t - end) / 9.0)
    behind = ramp((t - clearing) / 6.0)
    turn = np.deg2rad(bearing - 35.0 + 90.0 * behind)
    warm = ramp((t - start + lead) / lead) - ramp((t - clearing) / 5.0)
    cold = behind - ramp((t - end - 6.0) / 24.0)
    rain = ramp((t - start + 1.5) / 3.0) - ramp((t - end + 1.5) / 3.0)
    moist = np.where(wet, 1.0, 0.25) + 0.2 * moisture
    return Passing(
        pressure_hpa=-(climate.front_pressure_fall_hpa * strength * trough).sum(axis=1),
        humidity=(climate.front_humidity_rise * moist * damp).sum(axis=1),
        temperature_c=(strength * (2.5 * warm - 2.5 * cold)).sum(axis=1),
        wind_kmph=(8.5 * strength**1.5 * blow).sum(axis=1),
        east=(strength * (blow + trough) * np.sin(turn)).sum(axis=1),
        north=(strength * (blow + trough) * np.cos(turn)).sum(axis=1),
        wetness=np.where(wet, rain, 0.0).max(axis=1),
    )


def _showers(hour: Ints, seed: int) -> Floats:
    """Short rain on warm-season afternoons; the morning hardly tells."""
    t = hour.astype(np.float64)[:, None]
    slot = (hour // SHOWER_SLOT_H)[:, None] + np.arange(-1, 1)
    summer = 0.5 - 0.5 * np.cos(2 * np.pi * (slot / 365.2425 - 0.05))
    start = slot * SHOWER_SLOT_H + 10.0 + 6.0 * uniform(seed, "shower time", slot)
    end = start + 3.0 + 3.0 * uniform(seed, "shower length", slot)
    falls = uniform(seed, "shower", slot) < 0.35 * summer**2
    shape = ramp((t - start + 0.5) / 1.0) - ramp((t - end + 0.5) / 1.0)
    shower: Floats = np.where(falls, shape, 0.0).max(axis=1)
    return shower


def _drizzle(hour: Ints, seed: int) -> tuple[Floats, Floats]:
    """Light rain without a front, mostly in the dark half of the year; returns (rain, damp air before and in it)."""
    t = hour.astype(np.float64)[:, None]
    slot = (hour // DRIZZLE_SLOT_H)[:, None] + np.arange(-1, 2)
    winter = 0.5 + 0.5 * np.cos(2 * np.pi * (slot * DRIZZLE_SLOT_H / 24 / 365.2425 - 0.05))
    start = slot * DRIZZLE_SLOT_H + 40.0 * uniform(seed, "drizzle time", slot)
    end = start + 4.0 + 10.0 * uniform(seed, "drizzle length", slot)
    falls = uniform(seed, "drizzle", slot) < 0.25 + 0.35 * winter
    rain = ramp((t - start + 1.0) / 2.0) - ramp((t - end + 1.0) / 2.0)
    damp = ramp((t - start + 10.0) / 10.0) - ramp((t - end + 2.0) / 6.0)
    return np.where(falls, rain, 0.0).max(axis=1), np.where(falls, damp, 0.0).max(axis=1)
