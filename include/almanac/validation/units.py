"""Which unit a column of numbers seems to have been written in, if it is not its own."""

from collections.abc import Mapping, Sequence

# declared unit -> other unit -> (factor, then added); exact by definition of the units
_CONVERSIONS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "°C": {"°F": (1.8, 32.0), "K": (1.0, 273.15)},
    "°F": {"°C": (1 / 1.8, -32 / 1.8), "K": (1 / 1.8, 273.15 - 32 / 1.8)},
    "K": {"°C": (1.0, -273.15), "°F": (1.8, 32 - 1.8 * 273.15)},
    "hPa": {"kPa": (0.1, 0.0), "Pa": (100.0, 0.0), "mmHg": (0.750062, 0.0), "inHg": (0.0295300, 0.0)},
    "kPa": {"hPa": (10.0, 0.0), "Pa": (1000.0, 0.0), "mmHg": (7.50062, 0.0)},
    "km/h": {"m/s": (1 / 3.6, 0.0), "mph": (0.621371, 0.0), "knots": (0.539957, 0.0)},
    "m/s": {"km/h": (3.6, 0.0), "mph": (2.236936, 0.0), "knots": (1.943844, 0.0)},
    "km": {"m": (1000.0, 0.0), "miles": (0.621371, 0.0)},
    "m": {"km": (0.001, 0.0), "feet": (3.280840, 0.0), "cm": (100.0, 0.0)},
}
_TENS = {f"{factor:g} times its unit": (factor, 0.0) for factor in (0.001, 0.01, 0.1, 10.0, 100.0, 1000.0)}
_NEAR = (0.4, 2.5)  # a factor within is what nature does too: then the distance must be larger
_MIN_DISTANCE, _MIN_DISTANCE_NEAR, _MAX_REST, _MAX_REST_SHARE = 1.0, 2.0, 0.6, 0.35
_FAR, _MAX_REST_FAR = 3.0, 1.5  # no calendar month of the world lies so far off: a warm month in °F is still in °F


def conversions(unit: str) -> tuple[Mapping[str, tuple[float, float]], Mapping[str, tuple[float, float]]]:
    """Other unit -> factor and what is then added: the units that are known for this one, and powers of ten."""
    return _CONVERSIONS.get(unit, {}), _TENS


def is_near(factor: float, added: float) -> bool:
    """Whether nature changes values as much as this conversion does."""
    return added == 0.0 and _NEAR[0] <= factor <= _NEAR[1]


def other_unit(seen: Sequence[float], usual: Sequence[float], scale: float, unit: str) -> str | None:
    """The unit that explains why values differ from the usual ones; None where none does, or they hardly differ.

    Args:
        seen: some quantiles of the batch.
        usual: the same quantiles of the reference.
        scale: a deviation of the reference.
        unit: what the column is declared to be.
    """
    distance = _distance(seen, usual, scale)
    best, name = distance, None
    for other, (factor, added) in {**_CONVERSIONS.get(unit, {}), **_TENS}.items():
        near = is_near(factor, added)
        back = [(value - added) / factor for value in seen]
        rest = _distance(back, usual, scale)
        if distance >= (_MIN_DISTANCE_NEAR if near else _MIN_DISTANCE) and rest < best:
            best, name = rest, other
    allowed = _MAX_REST_FAR if distance >= _FAR else _MAX_REST
    return name if best <= min(allowed, _MAX_REST_SHARE * distance) else None


def _distance(seen: Sequence[float], usual: Sequence[float], scale: float) -> float:
    return sum(abs(one - other) for one, other in zip(seen, usual, strict=True)) / len(usual) / scale
