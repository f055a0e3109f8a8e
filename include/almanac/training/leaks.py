"""Signs that features know the label: one that explains it almost alone, one that copies it, rows that stand twice.

Source of the kinds: Kaufman, Rosset and Perlich (2012), "Leakage in data mining", ACM TKDD 6(4).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.config.sections.features import TimeFeature
from almanac.training.backtest.backtest import KEY, Fold, LabelledRows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Values = NDArray[np.float32]

_MAX_ROWS = 50_000  # the newest of each side; more give no other answer
_MAX_LEAVES = 256
_MAX_OFFSETS = 24
_MIN_CHANGES = 20
_BY_CHANCE = 0.01  # a row that chance makes twice more often than this proves nothing


@dataclass(frozen=True)
class LeakReport:
    """What was found. Features of the clock and of the label's own past are not looked at: they may be strong.

    Attributes:
        explained: the share of the variance of the hold-out's labels that each feature alone explains: R² of a
            regression tree on this one feature, fitted on the rows before, or of a straight line where that is more: a
            tree knows nothing beyond what it has seen. None where the labels do not differ.
        persistence: the same of the label's column at the row itself; None where that is not known, or is the label.
        copies: the share of the hold-out's rows on which a feature equals the label at or after its row, or at a time
            between the two; of all rows and of those where the label has changed since, the smaller.
        duplicates: rows of the hold-out that stand among the training rows with the same features (but for those of the
            clock) and label, where chance alone would not do that.
        rows: of the hold-out.
    """

    explained: Mapping[str, float | None]
    persistence: float | None
    copies: Mapping[str, float] = field(default_factory=dict)
    duplicates: int = 0
    rows: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "LeakReport":
        """The reverse of `to_dict`."""
        return cls(**values)


def measure_leaks(model: Model, rows: LabelledRows, fold: Fold) -> LeakReport:
    """Look at a fold's test rows beside those that it trains on.

    Args:
        model: declares the features and the label.
        rows: all labelled rows.
        fold: the hold-out.
    """
    import numpy as np

    train, test = fold.train[-_MAX_ROWS:], fold.test[-_MAX_ROWS:]
    suspects = {name: rows.values[:, rows.names.index(name)] for name in _suspects(model)}
    known = bool(model.label.horizon) and bool(np.isfinite(rows.state_now[train]).any())
    return LeakReport(
        explained={name: _explained(values, rows.labels, train, test) for name, values in suspects.items()},
        persistence=_explained(rows.state_now.astype(np.float32), rows.labels, train, test) if known else None,
        copies=_copies(model, rows, test, suspects),
        duplicates=_duplicates(model, rows, fold),
        rows=len(fold.test),
    )


def _suspects(model: Model) -> Iterator[str]:
    """The features that could know what they must not: what the label's column said up to the row is known there."""
    for feature in model.features:
        if not isinstance(feature, TimeFeature) and feature.column != model.label.column:
            yield from feature.names


def _explained(
    values: "Values", labels: "NDArray[Any]", train: "NDArray[np.intp]", test: "NDArray[np.intp]"
) -> float | None:
    """R² of a tree on one feature (an unknown value is a value) or of a line. None where labels do not differ."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    truth = labels[test].astype(np.float64)
    if not len(train) or not len(test) or np.ptp(truth) == 0:
        return None
    taught = labels[train].astype(np.float64)
    tree = DecisionTreeRegressor(
        max_leaf_nodes=_MAX_LEAVES, min_samples_leaf=max(5, len(train) // 2000), random_state=0
    ).fit(values[train, None], taught)
    told = tree.predict(values[test, None]), _line(values[train], taught, values[test])
    return max(float(1 - np.mean((truth - each) ** 2) / np.var(truth)) for each in told)


def _line(values: "Values", labels: "Floats", asked: "Values") -> "Floats":
    """The straight line of least squares through the known values, [len(asked)]; the mean where a value is unknown."""
    import numpy as np

    known, mean = np.isfinite(values), labels.mean()
    x, y = values[known].astype(np.float64), labels[known]
    spread = x.var() if len(x) else 0.0
    if not spread > 0:
        return np.full(len(asked), mean)
    slope = np.mean((x - x.mean()) * (y - y.mean())) / spread
    line: Floats = np.where(np.isfinite(asked), y.mean() + slope * (asked - x.mean()), mean)
    return line


def _copies(
    model: Model, rows: LabelledRows, test: "NDArray[np.intp]", suspects: Mapping[str, "Values"]
) -> dict[str, float]:
    """The best share over all times from one step after the row to one step after its label."""
    found: dict[str, float] = {}
    step, horizon = model.dataset.step, model.label.horizon
    before = _label_at(rows, test, -horizon if horizon else -step)
    for offset in _offsets(horizon // step):
        value = _label_at(rows, test, offset * step - horizon)
        changed = _known(value) & _known(before) & (value != before)
        if changed.sum() < _MIN_CHANGES:
            continue
        for name, values in suspects.items():
            share = _share_of_copies(values[test], value, changed)
            found[name] = max(found.get(name, 0.0), share)
    return found


def _offsets(ahead: int) -> list[int]:
    """In steps after the row: up to one step after its label, and not all of many; 0 is the label of no horizon."""
    import numpy as np

    few = np.unique(np.linspace(min(1, ahead), ahead, _MAX_OFFSETS).round().astype(int))
    return [*few.tolist(), ahead + 1]


def _label_at(rows: LabelledRows, test: "NDArray[np.intp]", shift: timedelta) -> "Floats":
    """The label of the row of the same key that lies so much later, [len(test)]; NaN where there is none."""
    import numpy as np
    import polars as pl

    keys = {name: pl.Series(v, dtype=pl.String) for name, v in rows.others.items() if name.startswith(KEY)}
    there = pl.DataFrame({"time": rows.times, **keys, "label": rows.labels.astype(np.float64)})
    asked = pl.DataFrame(
        {"time": rows.times[test] + np.timedelta64(shift), **{name: values[test] for name, values in keys.items()}}
    )
    found = asked.join(there, on=["time", *keys], how="left", maintain_order="left")["label"]
    values: Floats = found.fill_null(float("nan")).to_numpy()
    return values


def _known(values: "Floats") -> "NDArray[np.bool_]":
    import numpy as np

    known: NDArray[np.bool_] = np.isfinite(values)
    return known


def _share_of_copies(feature: "Values", value: "Floats", changed: "NDArray[np.bool_]") -> float:
    """On all rows and on those that changed: what says the present, or its reverse, is right on one of them only."""
    import numpy as np

    there = _known(value)
    same = feature == value.astype(np.float32)
    shares = same[there].mean(), same[changed].mean()
    if np.isin(feature[there], (0, 1)).all() and np.isin(value[there], (0, 1)).all():  # a yes may stand for a no
        return float(max(min(shares), min(1 - shares[0], 1 - shares[1])))
    return float(min(shares))


def _duplicates(model: Model, rows: LabelledRows, fold: Fold) -> int:
    """How many rows of the hold-out stand in training, beyond chance.

    Chance: how many training rows would have these values if columns were independent of each other. So a model of
    three yes-or-no columns, in which every row stands everywhere, is not accused of it.
    """
    import numpy as np
    import polars as pl

    names = {name for feature in model.features if not isinstance(feature, TimeFeature) for name in feature.names}
    columns = [place for place, name in enumerate(rows.names) if name in names]
    if not columns or not len(fold.train):
        return 0
    chosen = [rows.values[:, place].astype(np.float64) for place in columns] + [rows.labels.astype(np.float64)]
    frame = pl.DataFrame({str(place): pl.Series(values).fill_nan(None) for place, values in enumerate(chosen)})
    train, test = frame[fold.train], frame[fold.test]
    twice = test.with_row_index("_row").join(train.unique(), on=frame.columns, how="semi", nulls_equal=True)
    expected = np.full(twice.height, np.log(train.height))
    for name in frame.columns:
        count = twice.select(name).join(
            train.group_by(name).agg(pl.len().alias("count")), on=name, how="left", maintain_order="left"
        )["count"]
        # an unknown value is no likeness: it is one fault that makes many of them
        expected += np.log(count.fill_null(train.height).to_numpy() / train.height)
    return int((expected < np.log(_BY_CHANCE)).sum())
