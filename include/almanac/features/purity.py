"""The proof, before each training, that a team's own features depend on nothing but their row and its declared past.

It tries: what it finds is a fault, and that it finds none is no guarantee. Each trial is what happens in production:
later rows are not there yet, or are others; a window is scored with its declared history alone; a batch is repeated.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from almanac.config.own_code import known_code
from almanac.config.schema import Model
from almanac.config.sections.own_features import OwnFeatures
from almanac.errors import ConfigError
from almanac.features.own import own_features

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

MAX_ROWS = 20_000
"""The newest rows on which it is tried."""

_CUTS = 4
_ROUNDING = 1e-5


def check_purity(model: Model, frame: "pl.DataFrame", *, seed: int) -> None:
    """Refuse own features that see later rows, more history than declared, chance, or the clock.

    Args:
        model: declares them.
        frame: rows of the dataset.
        seed: of the alterations.

    Raises:
        ConfigError: there is one; the message names column, row and time.
    """
    time = model.dataset.time
    rows = frame.sort(list(dict.fromkeys((time, *model.dataset.key)))).tail(MAX_ROWS)
    for feature in model.features:
        if isinstance(feature, OwnFeatures) and rows.height:
            trial = _Trial(model, feature, rows)
            trial.compare(rows, "when the same rows are given again: it must not use chance, the clock or a counter")
            for at, cut in enumerate(_cuts(rows, time)):
                trial.without_later(cut)
                trial.with_others_later(cut, seed + at)
                trial.without_older(cut)


def _cuts(rows: "pl.DataFrame", time: str) -> Iterator[int]:
    """Numbers of rows at which a new time begins, spread over all rows; the last row too."""
    import numpy as np

    times = rows[time].dt.timestamp("us").to_numpy()
    begins = np.flatnonzero(np.diff(times)) + 1
    if len(begins):
        chosen = np.linspace(0, len(begins) - 1, _CUTS + 1).astype(int)
        yield from dict.fromkeys(begins[chosen].tolist())


class _Trial:
    """One feature on rows that are ordered by time; its values there are what others are compared with."""

    def __init__(self, model: Model, feature: OwnFeatures, rows: "pl.DataFrame") -> None:
        import numpy as np

        self.model, self.feature, self.rows = model, feature, rows
        self.usual = own_features(model, feature, rows)
        # running sums, as polars has them, round by what stood before
        self.rounding = _ROUNDING / 10 * np.nan_to_num(np.abs(self.usual)).max(axis=0)

    def without_later(self, cut: int) -> None:
        """The rows from `cut` on are not there."""
        self.compare(self.rows[:cut], f"when the rows from {self._time(cut)} on are not there yet: it sees later rows")

    def with_others_later(self, cut: int, seed: int) -> None:
        """The rows from `cut` on have each other's values."""
        import numpy as np
        import polars as pl

        draw, later = np.random.default_rng(seed), self.rows[cut:]
        fixed = {self.model.dataset.time, *self.model.dataset.key}
        shuffled = later.with_columns(
            later[name].gather(pl.Series(draw.permutation(later.height))) for name in later.columns if name not in fixed
        )
        altered = pl.concat([self.rows[:cut], shuffled])
        self.compare(altered, f"when the rows from {self._time(cut)} on are shuffled: it sees later rows", until=cut)

    def without_older(self, cut: int) -> None:
        """The rows before `cut` are not there: those that are as much later as `history` says are still the same."""
        times = self.rows[self.model.dataset.time]
        enough = (times[cut:] >= times[cut] + self.feature.history).to_numpy()
        if not enough.any():
            return
        self.compare(
            self.rows[cut:],
            f"when the rows before {self._time(cut)} are not there, {self.feature.history} or more before it: it looks"
            " further back than `history`",
            start=cut,
            skip=int(enough.argmax()),
        )

    def compare(
        self, rows: "pl.DataFrame", when: str, *, start: int = 0, skip: int = 0, until: int | None = None
    ) -> None:
        """Compare the values of these rows, which begin at row `start` of all, with the usual ones.

        Args:
            rows: as the function gets them.
            when: what is different, in words.
            start: which row of all the first of `rows` is.
            skip: how many of them are not compared.
            until: the number of the first row that is not compared.
        """
        import numpy as np

        found = own_features(self.model, self.feature, rows)[:until]
        usual = self.usual[start : start + len(found)]
        with np.errstate(invalid="ignore"):
            near = np.abs(found - usual) <= self.rounding + _ROUNDING * np.abs(usual)
        differs = ~(near | (np.isnan(found) & np.isnan(usual)))
        differs[:skip] = False
        if differs.any():
            row, column = np.argwhere(differs)[0].tolist()
            raise ConfigError(self._words(start + row, column, usual[row, column], found[row, column], when))

    def _words(self, row: int, column: int, usual: "np.float32", found: "np.float32", when: str) -> str:
        file, _ = known_code(self.feature.sha256)
        keys = (name for name in self.model.dataset.key if name != self.model.dataset.time)
        whose = "".join(f", {name} {self.rows[name][row]}" for name in keys)
        return (
            f"{self.model.name}: {file}: features(): column {self.feature.own[column]} of the row of {self._time(row)}"
            f"{whose} (row {row}): {usual:.6g} became {found:.6g} {when}. Use only rows up to the row's own time, at"
            " most `history` before it"
        )

    def _time(self, row: int) -> str:
        return f"{self.rows[self.model.dataset.time][row]:%Y-%m-%d %H:%M:%S} UTC"
