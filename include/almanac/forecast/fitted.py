"""What a library's fit of one series gives."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from almanac.forecast.panel import Array, Known


@dataclass(frozen=True)
class Fitted:
    """The forecast, of shape (horizon,), and the parameters behind it."""

    values: "Array"
    parameters: Mapping[str, Any]


Fit = Callable[["Array", int, "Known | None"], Fitted]
"""A function of one series, a horizon, and the calendar of both. It raises one of `FAILURES` where it has none."""

FAILURES = (ValueError, ArithmeticError, IndexError, TypeError)  # numpy's LinAlgError is a ValueError
"""How libraries refuse a series that is too short, too flat, or that they cannot solve."""


def coefficients(fitted: Any) -> dict[str, float]:
    """The coefficients of a fit of statsmodels, by name; without the states that it begins with."""
    values = zip(fitted.param_names, as_array(fitted.params), strict=True)
    return {name: round(float(value), 6) for name, value in values if "initial" not in name}


def as_array(values: Any) -> "Array":
    """Numbers of a library as an array."""
    import numpy as np

    return np.asarray(values, dtype=np.float64)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the libraries' warnings: a fit that did not converge is judged by its errors, as all others are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
