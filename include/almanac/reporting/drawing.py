"""Pictures as inline SVG. Drawn with matplotlib's Figure alone: no pyplot, no global figures."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MIN_BIN_ROWS, _MOST_DOTS = 10, 2_000
_FEW_CLASSES, _MOST_NUMBERED, _LONGEST_NAME = 4, 12, 14


THEN, NOW, LIMIT, INK = "#8a94a6", "#0b6bcb", "#c0392b", "#1f2937"
_WIDTH_IN = 4.6  # narrow: on a phone the letters must stay readable


def draw(paint: Callable[[Any], None], *, height: float) -> str:
    """Paint onto fresh axes; gives `<svg>...</svg>`."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = {"svg.fonttype": "none", "svg.hashsalt": "almanac", "font.size": 9, "text.color": INK}
    with mpl.rc_context(style):
        figure = Figure(figsize=(_WIDTH_IN, height), layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", alpha=0.25)
        paint(axes)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    text = written.getvalue()
    return text[text.index("<svg") :]


def confusion_matrix(counts: "NDArray[np.int64]", names: Sequence[str]) -> str:
    """Rows by true class (down) and predicted class (across), [k, k]; shaded by the share of the true class.

    Empty without rows. Of many classes the numbers are left out: they could not be read.
    """
    import numpy as np

    if not counts.sum():
        return ""
    seen = counts.sum(axis=1, keepdims=True)
    shares, size = counts / np.maximum(seen, 1), len(names)

    def paint(axes: Any) -> None:
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        shown = [name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…" for name in names]
        axes.set_xticks(range(size), shown, rotation=45 if size > _FEW_CLASSES else 0)
        axes.set_yticks(range(size), shown)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        for row, column in np.argwhere(counts > 0) if size <= _MOST_NUMBERED else ():
            color = "white" if shares[row, column] > 0.5 else INK
            axes.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color=color, fontsize=8)

    return draw(paint, height=min(1.6 + 0.32 * size, 8))


def true_numbers(observed: "Floats", predicted: "Floats") -> str:
    """Observed share by predicted probability; empty without labels."""
    import numpy as np

    known = np.flatnonzero(np.isfinite(observed) & np.isfinite(predicted))
    if len(known) < _MIN_BIN_ROWS:
        return ""
    shown = known[np.linspace(0, len(known) - 1, min(len(known), _MOST_DOTS)).astype(int)]
    both = np.concatenate([observed[known], predicted[known]])
    ends = [float(both.min()), float(both.max())]

    def paint(axes: Any) -> None:
        axes.plot(ends, ends, color=THEN, linewidth=1, linestyle="--", label="true")
        axes.scatter(predicted[shown], observed[shown], s=5, alpha=0.4, linewidths=0, color=NOW, label="a row")
        axes.set_xlabel("predicted")
        axes.set_ylabel("observed")
        axes.legend(frameon=False, fontsize=8, loc="upper left")

    return draw(paint, height=2.9)
