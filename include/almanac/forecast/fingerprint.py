"""What the result of a grain is made of: its rows, the declaration, and the code. Equal hashes mean equal results."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.schema import ForecastModel
from almanac.training.fingerprint import hash_modules

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from almanac.forecast.panel import Array

_HERE = Path(__file__).parent
_MAKING = (  # what a result's numbers come from
    *("arima_search", "backtest", "candidates", "choice", "fitted", "intervals", "panel", "rules", "statistical"),
    *("traits", "calendar/effects", "global_candidate/windows", "global_candidate/fit"),
)
_LIBRARIES = ("numpy", "scipy", "statsmodels", "lightgbm")
_NOT_MAKING = {  # when and whether, not what; of a calendar, its values count, wherever they lie
    *("grains_per_task", "max_set_aside", "schedule", "gates", "monitor", "keep"),
    *("calendar", "hierarchy", "reconcile"),
}


@cache
def code_sha256() -> str:
    """The hash of the modules that make a result, and of the libraries' versions."""
    paths = [_HERE / f"{name}.py" for name in _MAKING]
    libraries = json.dumps({name: version(name) for name in _LIBRARIES}, sort_keys=True)
    return hashlib.sha256((hash_modules(paths, _HERE) + libraries).encode()).hexdigest()


def declaration_sha256(model: ForecastModel) -> str:
    """The hash of what the YAML declares of a result; a key that a later release adds does not change it."""
    declared = model.forecast.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_MAKING)
    step = model.dataset.step.total_seconds()
    return hashlib.sha256(json.dumps({"forecast": declared, "step_s": step}, sort_keys=True).encode()).hexdigest()


def key_of(
    grain: str, times: "npt.NDArray[np.int64]", values: "Array", making: str, known: "Array | None" = None
) -> str:
    """The key of a grain's result.

    Args:
        grain: its name.
        times: of its rows, microseconds.
        values: of the target.
        making: declaration and code, and the names of the calendar's columns.
        known: the calendar of its steps and of the horizon.
    """
    digest = hashlib.sha256(f"{making}\n{grain}\n{len(times)}\n".encode())
    digest.update(times.tobytes())
    digest.update(values.tobytes())
    if known is not None:
        digest.update(known.tobytes())
    return digest.hexdigest()[:40]
