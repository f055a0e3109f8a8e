"""Small pictures of series as SVG, written by hand: a page has dozens of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from almanac.reporting.drawing import NOW, THEN

_WIDTH, _HEIGHT, _MARGIN = 260.0, 90.0, 4.0
_MOST_POINTS = 160  # of actual values: more than pixels say nothing


@dataclass(frozen=True)
class SeriesChart:
    """What a picture shows. All positions are steps from the origin: actual values at 0 and before, forecasts from 1.

    Attributes:
        actual: the last values, the newest last.
        forecast: of steps 1, 2, ...
        lower, upper: of an interval; empty: none.
        before: step from this origin -> value of the forecast before.
        adjusted: the same of the forecast with adjustments, where it differs.
    """

    actual: Sequence[float]
    forecast: Sequence[float]
    lower: Sequence[float] = ()
    upper: Sequence[float] = ()
    before: Sequence[tuple[int, float]] = ()
    adjusted: Sequence[tuple[int, float]] = field(default_factory=tuple)

    def svg(self, label: str) -> str:
        """The picture; `label` is plain text for who cannot see it."""
        from html import escape

        actual = list(self.actual)[-_MOST_POINTS:]
        past = [(place - len(actual) + 1, value) for place, value in enumerate(actual)]
        ahead = [(step, value) for step, value in enumerate(self.forecast, 1)]
        band = [*enumerate(self.lower, 1), *reversed(list(enumerate(self.upper, 1)))]
        shown = [*past, *ahead, *band, *self.before, *self.adjusted]
        at = _Scale.of(shown)
        joined = [past[-1], *ahead] if past else ahead
        parts = [
            f'<polygon points="{at.points(band)}" fill="{NOW}" fill-opacity=".18"/>' if band else "",
            _line(at.points(past), "currentColor", ""),
            _line(at.points(list(self.before)), THEN, "4 3"),
            _line(at.points(joined), NOW, ""),
            _line(at.points(list(self.adjusted)), "#d97706", "2 2"),
        ]
        return (
            f'<svg viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}" role="img" aria-label="{escape(label, quote=True)}">'
            f"{''.join(parts)}</svg>"
        )


@dataclass(frozen=True)
class _Scale:
    left: float
    right: float
    low: float
    high: float

    @classmethod
    def of(cls, shown: Sequence[tuple[int, float]]) -> "_Scale":
        steps, values = [step for step, _ in shown] or [0], [value for _, value in shown] or [0.0]
        low, high = min(values), max(values)
        return cls(min(steps), max(max(steps), min(steps) + 1), low, high if high > low else low + 1)

    def points(self, values: Sequence[tuple[int, float]]) -> str:
        across = (_WIDTH - 2 * _MARGIN) / (self.right - self.left)
        down = (_HEIGHT - 2 * _MARGIN) / (self.high - self.low)
        return " ".join(
            f"{_MARGIN + (step - self.left) * across:.1f},{_HEIGHT - _MARGIN - (value - self.low) * down:.1f}"
            for step, value in values
        )


def _line(points: str, color: str, dashes: str) -> str:
    if not points:
        return ""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"{dashed}/>'
