"""The id of a prediction: it says by itself which model, row and version it is of, so that nothing need be searched.

`weather/2024-02-10T05:00:00Z/3`; where the dataset's key has more columns than the time, their values stand between:
`tides/2024-02-10T05:00:00Z/hamina/3`. Slashes and percent signs in values are written as in a URL.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

from almanac.errors import DataError

if TYPE_CHECKING:
    import polars as pl

_SPECIAL = (("%", "%25"), ("/", "%2F"))  # the percent sign first: it is in what the others become


@dataclass(frozen=True)
class PredictionId:
    """One prediction: of a model's version, for the row of this event time (aware) and these other key values."""

    model: str
    time: datetime
    model_version: str
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "/".join([self.model, _written(self.time), *map(_quoted, self.keys), self.model_version])

    @classmethod
    def parse(cls, text: str) -> "PredictionId":
        """Read an id.

        Raises:
            DataError: it is none.
        """
        model, *rest = text.split("/")
        try:
            time, *keys, version = rest
            when = datetime.fromisoformat(time)
            if when.tzinfo is None or not version.isdecimal() or not model:
                raise ValueError("a part is wrong")
        except ValueError as error:
            raise DataError(
                f"not a prediction id; got {text!r}, expected for example weather/2024-02-10T05:00:00Z/3"
            ) from error
        return cls(model, when.astimezone(UTC), version, tuple(unquote(key) for key in keys))


def prediction_ids(model: str, model_version: str, time: str, keys: Sequence[str]) -> "pl.Expr":
    """The ids of a frame's rows; `time` and `keys` name its columns."""
    import polars as pl

    parts = [pl.lit(model), _written_column(time), *(_quoted_column(key) for key in keys), pl.lit(model_version)]
    return pl.concat_str(parts, separator="/")


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _written_column(name: str) -> "pl.Expr":
    import polars as pl

    # fractions of a second only where there are some, as `datetime.isoformat` does
    time, microsecond = pl.col(name), pl.col(name).dt.microsecond()
    fraction = pl.concat_str(pl.lit("."), microsecond.cast(pl.String).str.zfill(6), pl.lit("Z"))
    rest = pl.when(microsecond == 0).then(pl.lit("Z")).otherwise(fraction)
    return pl.concat_str(time.dt.strftime("%Y-%m-%dT%H:%M:%S"), rest)


def _quoted(value: str) -> str:
    for sign, written in _SPECIAL:
        value = value.replace(sign, written)
    return value


def _quoted_column(name: str) -> "pl.Expr":
    import polars as pl

    value = pl.col(name).cast(pl.String).fill_null("")
    for sign, written in _SPECIAL:
        value = value.str.replace_all(sign, written, literal=True)
    return value
