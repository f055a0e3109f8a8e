"""Signs of leakage: a feature that alone explains the label, one that copies it, and duplicates of training rows.

Source of the kinds: Kaufman, Rosset and Perlich (2012), "Leakage in data mining", ACM TKDD 6(4).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.features import TextFeature, TimeFeature
from almanac.statistics.tasks import task_of
from almanac.training.backtest.backtest import KEY, LabelledRows
from almanac.training.backtest.folds import Fold

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Values = NDArray[np.float32]

_MAX_ROWS = 50_000  # the newest of each side; more do not change the result
_MAX_LEAVES = 256
_MAX_OFFSETS = 24
_MIN_CHANGES = 20
_BY_CHANCE = 0.01  # a duplicate that chance makes more often than this proves nothing


@dataclass(frozen=True)
class LeakReport:
    """The findings. Features of time and of the label's own past are left out: they may be strong.

    Attributes:
        explained: the share of the variance of the hold-out's labels that each feature alone explains: R² of a
            regression tree on this one feature, fitted on the training rows, or of a straight line where that is more,
            because a tree cannot extrapolate. Of several classes, of the indicators of all of them. None where the
            labels do not differ.
        persistence: the same for the label's column at the row itself; None: it is unknown, or is the label.
        copies: the share of the hold-out's rows on which a feature equals the label at or after its row, or at a time
            between the two; of all rows and of those where the label has changed since, the smaller.
        duplicates: number of hold-out rows that are also training rows, with the same features (except those of time)
            and label, beyond chance.
        rows: number of rows of the hold-out.
        same_features: number of hold-out rows whose features, except those of time, a training row has too, whatever
            its label and however likely by chance.
        repeated: number of rows, of all labelled ones, whose features an earlier row has.
    """

    explained: Mapping[str, float | None]
    persistence: float | None
    copies: Mapping[str, float] = field(default_factory=dict)
    duplicates: int = 0
    rows: int = 0
    same_features: int = 0
    repeated: int = 0

    @property
    def words(self) -> str:
        """What was found of copies, in a sentence."""
        return (
            f"{self.same_features} of {self.rows} rows of the hold-out have the features of a training row,"
            f" {self.duplicates} of them with its label and beyond chance; {self.repeated} of all labelled rows repeat"
            " the features of another one"
        )


def measure_leaks(model: Model, rows: LabelledRows, fold: Fold) -> LeakReport:
    """Compare a fold's test rows with its training rows.

    Args:
        model: declares the features and the label.
        rows: all labelled rows.
        fold: the hold-out.
    """
    import numpy as np

    train, test = fold.train[-_MAX_ROWS:], fold.test[-_MAX_ROWS:]
    targets = task_of(model.label).targets(rows.labels)
    suspects = {rows.names[place]: rows.values[:, place] for place in _suspects(model, rows, targets, train)}
    known = bool(model.label.horizon) and bool(np.isfinite(rows.state_now[train]).any())
    columns = _columns_that_may_repeat(model)
    return LeakReport(
        explained={name: _explained(values, targets, train, test) for name, values in suspects.items()},
        persistence=_explained(rows.state_now.astype(np.float32), targets, train, test) if known else None,
        copies=_copies(model, rows, test, suspects),
        duplicates=_duplicates(rows, fold, columns),
        rows=len(fold.test),
        same_features=_same_features(rows, fold, columns),
        repeated=_repeated(rows, columns),
    )


def _suspects(model: Model, rows: LabelledRows, targets: "Floats", train: "NDArray[np.intp]") -> Iterator[int]:
    """The places of the features that can leak; the label's own past cannot, because it is known at the row.

    Of the thousand columns of a text: the one that goes best with the label on the training rows.
    """
    place = 0
    for feature in model.features:
        places = range(place, place := place + len(feature.names))
        if isinstance(feature, TimeFeature) or getattr(feature, "column", None) == model.label.column:
            continue
        yield from [_closest(rows, places, targets, train)] if isinstance(feature, TextFeature) else places


def _closest(rows: LabelledRows, places: range, targets: "Floats", train: "NDArray[np.intp]") -> int:
    """The place whose values and the targets have the largest correlation on the training rows."""
    import numpy as np

    values, wanted = rows.values[train, places.start : places.stop], targets[train].reshape(len(train), -1)
    off = (wanted - wanted.mean(axis=0)).astype(np.float32)
    spread = values.std(axis=0)
    together = np.abs(values.T @ off).max(axis=1) / np.where(spread > 0, spread, np.inf)
    return places.start + int(together.argmax())


def _explained(
    values: "Values", targets: "Floats", train: "NDArray[np.intp]", test: "NDArray[np.intp]"
) -> float | None:
    """The larger R² of a tree on one feature, with unknown as a value, and of a line. None: constant labels.

    Args:
        values: of the feature, [n].
        targets: what is explained, [n], or [n, k] together.
        train: numbers of the rows that both are fitted on.
        test: of those that they predict.
    """
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    truth, known = targets[test], targets[train]
    if not len(train) or not len(test) or not np.ptp(truth, axis=0).any():
        return None
    tree = DecisionTreeRegressor(
        max_leaf_nodes=_MAX_LEAVES, min_samples_leaf=max(5, len(train) // 2000), random_state=0
    ).fit(values[train, None], known)
    predictions = tree.predict(values[test, None]), _line(values[train], known, values[test])
    variance = np.var(truth, axis=0).mean()
    return max(float(1 - np.mean((truth - each) ** 2) / variance) for each in predictions)


def _line(values: "Values", labels: "Floats", new: "Values") -> "Floats":
    """Predictions of the least-squares line through the known values, [len(new)]; the mean where one is unknown.

    Of several targets a line for each, [len(new), k].
    """
    import numpy as np

    if labels.ndim == 2:
        return np.column_stack([_line(values, column, new) for column in labels.T])
    known, mean = np.isfinite(values), labels.mean()
    x, y = values[known].astype(np.float64), labels[known]
    spread = x.var() if len(x) else 0.0
    if not spread > 0:
        return np.full(len(new), mean)
    slope = np.mean((x - x.mean()) * (y - y.mean())) / spread
    line: Floats = np.where(np.isfinite(new), y.mean() + slope * (new - x.mean()), mean)
    return line


def _copies(
    model: Model, rows: LabelledRows, test: "NDArray[np.intp]", suspects: Mapping[str, "Values"]
) -> dict[str, float]:
    """The best share over all times from one step after the row to one step after its label.

    Of several classes a feature may repeat whether any one of them is true.
    """
    found: dict[str, float] = {}
    step, horizon = model.dataset.step, model.label.horizon
    before = _label_at(rows, test, -horizon if horizon else -step)
    for offset in _offsets(horizon // step):
        value = _label_at(rows, test, offset * step - horizon)
        for now, then in _versions(model, value, before):
            changed = _known(now) & _known(then) & (now != then)
            if changed.sum() < _MIN_CHANGES:
                continue
            for name, values in suspects.items():
                share = _share_of_copies(values[test], now, changed)
                found[name] = max(found.get(name, 0.0), share)
    return found


def _versions(model: Model, value: "Floats", before: "Floats") -> "Iterator[tuple[Floats, Floats]]":
    """What a feature may be a copy of, and the same before: the label, or whether each class is true."""
    import numpy as np

    if model.label.classes is None:
        yield value, before
    for position in range(model.label.class_count):
        yield (
            np.where(_known(value), value == position, np.nan),
            np.where(_known(before), before == position, np.nan),
        )


def _offsets(ahead: int) -> list[int]:
    """In steps after the row, up to one step after its label; a sample of many. 0: the label without a horizon."""
    import numpy as np

    few = np.unique(np.linspace(min(1, ahead), ahead, _MAX_OFFSETS).round().astype(int))
    return [*few.tolist(), ahead + 1]


def _label_at(rows: LabelledRows, test: "NDArray[np.intp]", shift: timedelta) -> "Floats":
    """The label of the same key at the row's time plus `shift`, [len(test)]; NaN where there is none."""
    import numpy as np
    import polars as pl

    keys = {name: pl.Series(v, dtype=pl.String) for name, v in rows.others.items() if name.startswith(KEY)}
    known = pl.DataFrame({"time": rows.times, **keys, "label": rows.labels.astype(np.float64)})
    wanted = pl.DataFrame(
        {"time": rows.times[test] + np.timedelta64(shift), **{name: values[test] for name, values in keys.items()}}
    )
    found = wanted.join(known, on=["time", *keys], how="left", maintain_order="left")["label"]
    values: Floats = found.fill_null(float("nan")).to_numpy()
    return values


def _known(values: "Floats") -> "NDArray[np.bool_]":
    import numpy as np

    known: NDArray[np.bool_] = np.isfinite(values)
    return known


def _share_of_copies(feature: "Values", value: "Floats", changed: "NDArray[np.bool_]") -> float:
    """The smaller share of all rows and of changed ones: a copy of the present, or its reverse, is high on one only."""
    import numpy as np

    there = _known(value)
    same = feature == value.astype(np.float32)
    shares = same[there].mean(), same[changed].mean()
    if np.isin(feature[there], (0, 1)).all() and np.isin(value[there], (0, 1)).all():  # 1 may stand for 0
        return float(max(min(shares), min(1 - shares[0], 1 - shares[1])))
    return float(min(shares))


def _columns_that_may_repeat(model: Model) -> list[range]:
    """The places of all features but those of time, which differ from row to row, or come again each day."""
    found, place = [], 0
    for feature in model.features:
        places = range(place, place := place + len(feature.names))
        if not isinstance(feature, TimeFeature):
            found += [places] if isinstance(feature, TextFeature) else [range(one, one + 1) for one in places]
    return found


def _features_of(rows: LabelledRows, columns: Sequence[range]) -> "pl.DataFrame":
    """A column for each place, and one for all of a text's: a number that tells texts apart."""
    import polars as pl

    def one(places: range) -> "pl.Series":
        if len(places) > 1:
            return pl.Series(
                [hashlib.blake2b(row.tobytes()).digest() for row in rows.values[:, places.start : places.stop]]
            )
        return pl.Series(rows.values[:, places.start].astype("float64")).fill_nan(None)

    return pl.DataFrame({str(number): one(places) for number, places in enumerate(columns)})


def _same_features(rows: LabelledRows, fold: Fold, columns: Sequence[range]) -> int:
    """The number of hold-out rows whose features a training row has, too."""
    if not columns:
        return 0
    frame = _features_of(rows, columns)
    train, test = frame[fold.train].unique(), frame[fold.test]
    return test.join(train, on=frame.columns, how="semi", nulls_equal=True).height


def _repeated(rows: LabelledRows, columns: Sequence[range]) -> int:
    return len(rows) - _features_of(rows, columns).n_unique() if columns else 0


def _duplicates(rows: LabelledRows, fold: Fold, columns: Sequence[range]) -> int:
    """The number of hold-out rows that are also training rows, beyond chance.

    Chance: the expected number of training rows with these values if columns were independent. So rows of a model with
    three yes-or-no columns, which all repeat, do not count.
    """
    import numpy as np
    import polars as pl

    if not columns or not len(fold.train):
        return 0
    frame = _features_of(rows, columns).with_columns(label=pl.Series(rows.labels.astype(np.float64)))
    train, test = frame[fold.train], frame[fold.test]
    twice = test.with_row_index("_row").join(train.unique(), on=frame.columns, how="semi", nulls_equal=True)
    expected = np.full(twice.height, np.log(train.height))
    for name in frame.columns:
        count = twice.select(name).join(
            train.group_by(name).agg(pl.len().alias("count")), on=name, how="left", maintain_order="left"
        )["count"]
        # unknown values do not count as equal: one fault makes many of them
        expected += np.log(count.fill_null(train.height).to_numpy() / train.height)
    return int((expected < np.log(_BY_CHANCE)).sum())
