"""What known-ahead columns explain of a series: which of them can be used, and how large their effect is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from almanac.forecast.panel import Panel
from almanac.forecast.rules import Rule

if TYPE_CHECKING:
    from almanac.forecast.panel import Array, Known

_SMALLEST = 1e-8  # of what is left of a column's variation beside the columns before it
_PENALTY = 0.01  # of a column's own variation: effects of a column that was seen once or twice are not trusted whole
_MOST = 3.0  # of a logarithm: a larger effect was seen too seldom to be true


def usable_columns(known: "Array", names: Sequence[str]) -> tuple[list[int], dict[str, str]]:
    """The places of the columns that a series can tell something of, and why each of the others is left out.

    Args:
        known: of the steps that are seen, of shape (steps, columns).
        names: of the columns.
    """
    import numpy as np

    kept, why = list[int](), dict[str, str]()
    basis: list[Array] = []
    for place, name in enumerate(names):
        column = known[:, place] - known[:, place].mean()
        size = float(np.sqrt(column @ column))
        if not np.ptp(known[:, place]):
            why[name] = f"constant: always {known[0, place]:g} in the {len(known)} steps of the series"
            continue
        rest = column / size
        for _ in range(2):  # once more: what rounding has left
            for other in basis:
                rest = rest - (other @ rest) * other
        left = float(np.sqrt(rest @ rest))
        if left < _SMALLEST:
            why[name] = f"collinear: follows from {', '.join(names[each] for each in kept)}"
        else:
            kept.append(place)
            basis.append(rest / left)
    return kept, why


def left_out_of(known: "Known | None", steps: int, lag: int) -> dict[str, str]:
    """Column -> why a series cannot use it: as it is, or as its change since `lag` steps ago, which the rules use."""
    if known is None:
        return {}
    seen = known.values[:steps]
    _, why = usable_columns(seen, known.columns)
    _, changes = usable_columns(seen[lag:] - seen[:-lag], known.columns) if steps > lag + 1 else ([], {})
    by_change = {name: f"as a change since {lag} steps ago: {text}" for name, text in changes.items()}
    return by_change | why


@dataclass(frozen=True)
class Regressors:
    """What a fit of one series takes of a calendar: `seen` of its steps, `coming` of the horizon; None: nothing."""

    names: tuple[str, ...] = ()
    seen: "Array | None" = None
    coming: "Array | None" = None

    def named(self, coefficients: Mapping[str, float]) -> dict[str, float]:
        """Coefficients by the names of the columns; statsmodels calls them x1, x2 and so on."""
        names = {f"x{place}": name for place, name in enumerate(self.names, 1)}
        return {names.get(name, name): value for name, value in coefficients.items()}


def regressors(known: "Known | None", steps: int, lag: int = 0) -> Regressors:
    """The usable columns of a calendar, each as its change since `lag` steps ago; 0: as it is."""
    if known is None:
        return Regressors()
    values = known.values[lag:] - known.values[:-lag] if lag else known.values
    kept, _ = usable_columns(values[: steps - lag], known.columns)
    if not kept:
        return Regressors()
    names = tuple(known.columns[place] for place in kept)
    return Regressors(names, values[: steps - lag, kept], values[steps - lag :, kept])


def without_calendar(rule: Rule, lag: int) -> Rule:
    """A rule that is applied to the series without the effect of the calendar, which is added again ahead.

    The effect is a regression of the change since `lag` steps ago on the columns' change, so that neither level, season
    nor trend is mistaken for it; of the logarithms where all values are above 0, since promotions multiply.
    """

    def forecast(panel: Panel, horizon: int) -> "Array":
        import numpy as np

        cleaned: list[Array] = []
        factors: list[Array] = []
        shifts: list[Array] = []
        for number in range(len(panel)):
            series, known = panel.series(number), panel.known_of(number)
            effect = np.zeros(len(series) + horizon)
            log = bool(len(series)) and bool(series.min() > 0)
            if known is not None and len(series) > lag + 1:
                effect = _effect(np.log(series) if log else series, known, lag)
            effect = effect.clip(-_MOST, _MOST) if log else effect
            factor, shift = (np.exp(effect), 0 * effect) if log else (1 + 0 * effect, effect)
            cleaned.append((series - shift[: len(series)]) / factor[: len(series)])
            factors.append(factor[len(series) :])
            shifts.append(shift[len(series) :])
        found: Array = rule(Panel.of(cleaned), horizon) * np.stack(factors) + np.stack(shifts)
        return found

    return forecast


def _effect(values: "Array", known: "Known", lag: int) -> "Array":
    """By how much each step lies above what it would be without the calendar, of shape (steps + horizon,)."""
    import numpy as np

    columns = known.values[lag:] - known.values[:-lag]
    seen, changes = columns[: len(values) - lag], values[lag:] - values[:-lag]
    kept, _ = usable_columns(seen, known.columns)
    if not kept:
        return np.zeros(len(known.values))
    inputs = seen[:, kept] - seen[:, kept].mean(axis=0)
    gram = inputs.T @ inputs
    gram[np.diag_indices(len(kept))] *= 1 + _PENALTY
    weights = np.linalg.solve(gram, inputs.T @ (changes - changes.mean()))
    found: Array = (known.values[:, kept] - known.values[: len(values), kept].mean(axis=0)) @ weights
    return found
