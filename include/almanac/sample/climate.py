"""The knobs of the synthetic weather, and one changed setting of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Climate:
    """What the synthetic weather obeys.

    Two climates with the same seed share every random draw: going from one to the other in the middle of a
    series changes the weather, but causes no jump that is not in the knobs.

    Attributes:
        warming_c: added to every temperature, in °C.
        pressure_shift_hpa: added to every pressure, in hPa.
        humidity_shift: added to every relative humidity (a share of 1) before it is limited to (0, 1].
        front_pressure_fall_hpa: how far pressure falls before a mean front; negative: fronts come with a rise.
        front_humidity_rise: how far humidity rises before a mean wet front; negative: the air dries instead.
        wet_bearing_deg: the direction that rain comes from; fronts from the other side stay dry.
    """

    warming_c: float = 0.0
    pressure_shift_hpa: float = 0.0
    humidity_shift: float = 0.0
    front_pressure_fall_hpa: float = 8.0
    front_humidity_rise: float = 0.2
    wet_bearing_deg: float = 215.0


CHANGED_CLIMATE = Climate(
    warming_c=4.5,
    pressure_shift_hpa=3.0,
    humidity_shift=-0.18,
    front_pressure_fall_hpa=-11.0,
    front_humidity_rise=0.24,
    wet_bearing_deg=80.0,
)
"""Warmer, drier air under higher pressure, and rain that now comes from the east while pressure rises."""
