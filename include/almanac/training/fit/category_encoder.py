"""Looks categories up in tables that are fitted from the training rows. Only modules that build a pipeline import this.

It is a step of the candidate's pipeline, so each fold learns its own tables from its own training rows, and the tables
go where the pipeline goes: into its file and into the graph (`almanac.training.export.category_graph`).
"""

from collections.abc import Sequence
from typing import Any, Self, TypedDict

import numpy as np  # noqa: TID253 - a class of scikit-learn's kind needs both
from numpy.typing import NDArray  # noqa: TID253
from sklearn.base import BaseEstimator, TransformerMixin  # noqa: TID253

Floats = NDArray[np.float32]
Places = NDArray[np.intp]

_FOLDS = 5
_PRIOR_ROWS = 10.0  # so many rows with the mean label stand beside those of a category: a rare one is near the mean


class EncodedColumn(TypedDict):
    """How one column is encoded: see `almanac.config.sections.features.CategoryFeature`.

    `position` is its place in the matrix; `order` the codes of the declared values, for ordinal; empty: by frequency.
    """

    position: int
    encode: str
    unknown: str
    min_rows: int
    most: int
    order: list[float]


class CategoryEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn has no types
    """Replaces columns of codes by columns of a fitted table; all others stay, in their order.

    After the fit, of each encoded column: `codes_` its known codes, float32 [m], ascending; `tables_` what each
    becomes, float32 [m + 2, w], followed by the line of other codes and that of a missing one (NaN); `rows_` its number
    of training rows, [m + 2].

    Args:
        columns: what is encoded, by ascending position.
        classes: the number of classes of the label; 0: it is yes or no, or a number.
    """

    def __init__(self, columns: Sequence[EncodedColumn] = (), classes: int = 0) -> None:
        self.columns = columns
        self.classes = classes

    def fit(self, values: Floats, labels: NDArray[Any]) -> Self:
        """Learn the tables from training rows: values [n, k] and their labels [n]."""
        self.n_features_in_ = values.shape[1]
        self.codes_, self.tables_, self.rows_ = [], [], []
        targets = self._targets(labels)
        for column in self.columns:
            codes = values[:, column["position"]]
            known = _kept(codes, column)
            places = _places(known, codes)
            rows = np.bincount(places, minlength=len(known) + 2)
            self.codes_.append(known)
            self.rows_.append(rows)
            self.tables_.append(_table(column, known, rows, places, targets))
        return self

    def transform(self, values: Floats) -> Floats:
        """The matrix with each code replaced by its line of the table, float32 [n, k']."""
        return self._with([table[self._places(at, values)] for at, table in enumerate(self.tables_)], values)

    def fit_transform(self, values: Floats, labels: NDArray[Any], **_: Any) -> Floats:
        """`fit`, and the matrix for the estimator that is fitted on the same rows.

        A target encoding of a training row is computed from the other fifths of the rows: from its own label the
        estimator would learn to read the label out of the encoding. The fifths are neighbours, because neighbours in
        time, and copies, hold much of each other's label.
        """
        self.fit(values, labels)
        targets, part = self._targets(labels), np.arange(len(values)) * _FOLDS // max(len(values), 1)
        blocks = []
        for at, column in enumerate(self.columns):
            places = self._places(at, values)
            lines = self.tables_[at][places]
            if column["encode"] == "target":
                for fold in range(_FOLDS):
                    own = part == fold
                    table = _means(column, len(self.codes_[at]), places[~own], targets[~own])
                    lines[own] = table[places[own]]
            blocks.append(lines)
        return self._with(blocks, values)

    def sources(self) -> Places:
        """The place in the input of each column of the output, [k']."""
        widths = np.ones(self.n_features_in_, dtype=np.intp)
        for column, table in zip(self.columns, self.tables_, strict=True):
            widths[column["position"]] = table.shape[1]
        return np.repeat(np.arange(self.n_features_in_), widths)

    def _targets(self, labels: NDArray[Any]) -> NDArray[np.float64]:
        """The label as numbers whose mean is fitted, [n, w]: itself, or one column of 0 and 1 for each class."""
        if not self.classes:
            return labels.astype(np.float64)[:, None]
        indicators: NDArray[np.float64] = (labels[:, None] == np.arange(self.classes)).astype(np.float64)
        return indicators

    def _places(self, at: int, values: Floats) -> Places:
        return _places(self.codes_[at], values[:, self.columns[at]["position"]])

    def _with(self, blocks: Sequence[Floats], values: Floats) -> Floats:
        parts, start = [], 0
        for column, block in zip(self.columns, blocks, strict=True):
            parts += [values[:, start : column["position"]], block]
            start = column["position"] + 1
        return np.concatenate([*parts, values[:, start:]], axis=1).astype(np.float32, copy=False)


def _kept(codes: Floats, column: EncodedColumn) -> Floats:
    """The codes with a value of their own, ascending."""
    found, rows = np.unique(codes[~np.isnan(codes)], return_counts=True)
    frequent = np.flatnonzero(rows >= column["min_rows"])
    most = frequent[np.argsort(-rows[frequent], kind="stable")][: column["most"]]
    return np.sort(found[most])


def _places(known: Floats, codes: Floats) -> Places:
    """The line of the table of each code, [n]: that of the code, then that of others, then that of a missing one."""
    at = np.searchsorted(known, codes)
    is_known = np.append(known, np.float32(np.nan))[np.minimum(at, len(known))] == codes
    return np.where(np.isnan(codes), len(known) + 1, np.where(is_known, at, len(known)))


def _table(
    column: EncodedColumn, known: Floats, rows: NDArray[np.int64], places: Places, targets: NDArray[np.float64]
) -> Floats:
    count, kind = len(known), column["encode"]
    if kind == "target":
        return _means(column, count, places, targets)
    if kind == "one_hot":
        # Without a training row that is rare, others are 0 in all: an estimator knows nothing of a column that it
        # never saw filled.
        width = max(count + (rows[count] > 0 and column["unknown"] == "other"), 1)
        made = np.eye(count + 1, width)
    elif kind == "ordinal":
        made = _order(column, known, rows)[:, None]
    else:
        made = rows[:-1, None] / max(rows[:-1].sum(), 1)
    return _with_unknown(column, made)


def _order(column: EncodedColumn, known: Floats, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """The place of each known code: among the declared values, else by frequency; others come last."""
    if declared := column["order"]:
        place = {code: at for at, code in enumerate(declared)}
        last = len(declared)
        return np.array([place.get(code, last) for code in known.tolist()] + [last], np.float64)
    order = np.empty(len(known) + 1)
    order[np.argsort(-rows[: len(known)], kind="stable")] = np.arange(len(known))
    order[-1] = len(known)
    return order


def _means(column: EncodedColumn, count: int, places: Places, targets: NDArray[np.float64]) -> Floats:
    """The mean target of each line's rows, drawn to the mean of all, [count + 2, w]."""
    rows = np.bincount(places, minlength=count + 2)[: count + 1, None]
    mean = targets.mean(axis=0) if len(targets) else np.zeros(targets.shape[1])
    sums = np.column_stack([np.bincount(places, one, count + 2)[: count + 1] for one in targets.T])
    return _with_unknown(column, (sums + _PRIOR_ROWS * mean) / (rows + _PRIOR_ROWS))


def _with_unknown(column: EncodedColumn, made: NDArray[np.float64]) -> Floats:
    """The table with the line of a missing code, and without a value for others where those are missing."""
    if column["unknown"] == "missing":
        made[-1] = np.nan
    return np.vstack([made, np.full(made.shape[1], np.nan)]).astype(np.float32)
