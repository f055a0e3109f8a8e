"""Features by a team's own function. It sees the rows in the order of time, and gives one line for each."""

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from almanac.config.own_code import FUNCTION, known_code
from almanac.config.schema import Model
from almanac.config.sections.own_features import OwnFeatures
from almanac.display import show
from almanac.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray


def own_features(model: Model, feature: OwnFeatures, frame: "pl.DataFrame") -> "NDArray[np.float32]":
    """What the function makes of the rows, float32 [n, k], NaN where unknown; line i belongs to row i of the frame.

    Args:
        model: declares time and key, by which the function gets the rows in order.
        feature: names the columns.
        frame: at least time, key and the feature's columns.

    Raises:
        ConfigError: the code is not here, it fails, or it returns something else than was declared.
    """
    import numpy as np
    import polars as pl

    order = list(dict.fromkeys((model.dataset.time, *model.dataset.key)))
    given = list(dict.fromkeys((*order, *feature.columns)))
    rows = frame.select(given).with_row_index("_row").sort(order)
    made = _called(feature, rows.select(given))
    values = np.empty((frame.height, len(feature.own)), dtype=np.float32)
    places = rows["_row"].to_numpy()
    for position, name in enumerate(feature.own):
        column = made[name].cast(pl.Float64).to_numpy()
        with np.errstate(over="ignore"):
            values[places, position] = column
    values[~np.isfinite(values)] = np.nan
    return values


def own_sha256(model: Model) -> str:
    """The hash of the code of the model's own features; empty: it has none."""
    own = own_of(model)
    return "" if own is None else own.sha256


def own_of(model: Model) -> OwnFeatures | None:
    """The model's own features; None: it has none."""
    return next((feature for feature in model.features if isinstance(feature, OwnFeatures)), None)


def _called(feature: OwnFeatures, rows: "pl.DataFrame") -> "pl.DataFrame":
    """Call the function, and check the form of what it returns."""
    import polars as pl

    file, _ = known_code(feature.sha256)
    where = f"{file}: {FUNCTION}()"
    try:
        made = _function(feature.sha256)(rows)
    except Exception as error:
        what = f"{type(error).__name__}: {show(str(error))}"
        raise ConfigError(
            f"{where} fails on {rows.height} rows, in line {_line(error, file)}: {what}. Correct it"
        ) from error
    if not isinstance(made, pl.DataFrame) or made.columns != list(feature.own) or made.height != rows.height:
        got = f"{made.height} rows of {made.columns}" if isinstance(made, pl.DataFrame) else type(made).__name__
        raise ConfigError(
            f"{where}: got {got}, expected {rows.height} rows of {list(feature.own)}: a line for each row, in the same"
            " order. Correct it, or `own` and its order in the YAML"
        )
    if strange := [name for name, kind in made.schema.items() if not (kind.is_numeric() or kind == pl.Boolean)]:
        raise ConfigError(f"{where}: {strange[0]} is a {made.schema[strange[0]]}, expected numbers. Cast it")
    return made


@lru_cache(maxsize=16)
def _function(sha256: str) -> "Callable[[pl.DataFrame], Any]":
    file, text = known_code(sha256)
    scope: dict[str, Any] = {"__name__": f"almanac_own_{sha256[:12]}", "__file__": file}
    exec(compile(text, file, "exec"), scope)  # noqa: S102 - of the models' folder, see `almanac.config.own_code`
    found: Callable[[pl.DataFrame], Any] = scope[FUNCTION]
    return found


def _line(error: BaseException, file: str) -> int | str:
    """The last line of the file that was running."""
    found: int | str = "?"
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
