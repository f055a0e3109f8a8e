"""A few numbers as a line the size of a word: inline SVG in the color of its text, without a script."""

from collections.abc import Sequence

_WIDTH, _HEIGHT, _EDGE = 64, 16, 2
_SVG = (
    f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
    '<title>%s</title><polyline points="%s" fill="none" stroke="currentColor" stroke-width="1.4"/>'
    '<circle cx="%.1f" cy="%.1f" r="1.8" fill="currentColor"/></svg>'
)


def sparkline(values: Sequence[float], words: str = "") -> str:
    """The line, the oldest value on the left; empty for fewer than two. A constant lies in the middle.

    Args:
        values: finite.
        words: what it shows, for those who cannot see it; escaped.
    """
    from markupsafe import Markup, escape

    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step = (_WIDTH - 2 * _EDGE) / (len(values) - 1)

    def y(value: float) -> float:
        share = (value - low) / (high - low) if high > low else 0.5
        return _HEIGHT - _EDGE - share * (_HEIGHT - 2 * _EDGE)

    points = [(_EDGE + number * step, y(value)) for number, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y_:.1f}" for x, y_ in points)
    label = f"{words}: {values[0]:.3g} to {values[-1]:.3g}, between {low:.3g} and {high:.3g}"
    x, last = points[-1]
    return Markup(_SVG % (escape(label), line, x, last))  # noqa: S704 - the label is escaped, the rest are numbers
