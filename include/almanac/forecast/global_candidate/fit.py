"""Fits the global candidate, once for the forecast and once for each backtest, and forecasts a panel by it.

Each fit sees what the forecasts of its time may see. Steps are forecast directly, with the step ahead as an input: on
M4 hourly that had the smaller error than forecasting step by step (`docs/forecasts.md`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from almanac.config.sections.forecast import Forecast
from almanac.config.sections.forecasting.global_candidate import GlobalCandidate
from almanac.forecast.candidates import Candidate, Forecasts
from almanac.forecast.global_candidate.windows import Windows
from almanac.forecast.panel import Panel, unknown

if TYPE_CHECKING:
    import numpy.typing as npt

    from almanac.forecast.panel import Array

NAME = "global"
_FIXED: Mapping[str, Any] = {  # the same rows give the same trees, on any machine
    "objective": "l1",
    "min_child_samples": 50,
    "feature_fraction": 0.8,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


@dataclass
class FitSample:
    """The moments that one fit is trained on, gathered block by block, so that no more than these are in memory.

    Attributes:
        forecast: declares the candidate.
        hidden: how many of the newest steps it does not see.
        per_series: moments of each series.
    """

    forecast: Forecast
    hidden: int
    per_series: int
    _inputs: "list[Array]" = field(default_factory=list, repr=False)
    _outputs: "list[Array]" = field(default_factory=list, repr=False)

    def add(self, names: Iterable[str], panel: Panel) -> None:
        """Take moments of these series, drawn by the name of each alone."""
        import numpy as np

        seen = panel.before(self.hidden)
        season, horizon, steps = max(self.forecast.season[:1], default=1), self.forecast.horizon, seen.values.shape[1]
        series: list[npt.NDArray[np.int64]] = []
        ends: list[npt.NDArray[np.int64]] = []
        ahead: list[npt.NDArray[np.int64]] = []
        for number, (name, length) in enumerate(zip(names, seen.lengths, strict=True)):
            if length <= season:
                continue
            draw = np.random.default_rng(int.from_bytes(sha256(name.encode()).digest()[:8]))
            moments = draw.integers(steps - int(length) + season, steps, size=self.per_series)
            most = np.minimum(horizon, steps - moments)
            series.append(np.full(self.per_series, number))
            ends.append(moments)
            ahead.append(draw.integers(1, most + 1))
        if not series:
            return
        where = np.concatenate(series), np.concatenate(ends), np.concatenate(ahead)
        windows = Windows(seen, self.forecast.season)
        inputs, base, scale = windows.of(*where)
        self._inputs.append(inputs.astype(np.float32))
        self._outputs.append((windows.target(*where) - base) / scale)

    def fit(self, declared: GlobalCandidate) -> str:
        """The fitted trees, as LightGBM's own text.

        Raises:
            ValueError: there is no moment to train on.
            LightGBMError: the library refuses.
        """
        import lightgbm
        import numpy as np

        if not self._inputs:
            raise ValueError("no series is long enough for a moment with a season before it")
        rows = lightgbm.Dataset(np.concatenate(self._inputs), np.concatenate(self._outputs))
        tuned = {"num_leaves": declared.leaves, "learning_rate": declared.learning_rate}
        return str(lightgbm.train({**_FIXED, **tuned}, rows, declared.rounds).model_to_string())


def global_candidate(forecast: Forecast, fits: Mapping[int, str], failure: str = "") -> Candidate:
    """The candidate of fits that are there.

    Args:
        forecast: declares it.
        fits: hidden steps -> the trees.
        failure: why there are none; each grain records it.
    """
    import lightgbm

    boosters = {hidden: lightgbm.Booster(model_str=text) for hidden, text in fits.items()}

    def candidate(panel: Panel, horizon: int) -> Forecasts:
        import numpy as np

        found, booster = unknown(panel, horizon), boosters.get(panel.hidden)
        why = failure or ("" if booster else "there is no fit of this time")
        if forecast.calendar is not None and panel.known is None:
            why = "the grains of this total have each their own calendar"
        if why or booster is None:
            return Forecasts(found, dict.fromkeys(range(len(panel)), why))
        series, ahead = np.divmod(np.arange(len(panel) * horizon), horizon)
        ends = np.full(len(series), panel.values.shape[1])
        inputs, base, scale = Windows(panel, forecast.season).of(series, ends, ahead + 1)
        output = np.asarray(booster.predict(inputs.astype(np.float32), num_threads=1))
        return Forecasts((base + scale * output).reshape(len(panel), horizon))

    return candidate
