"""The sections of a drafted YAML: every figure in them is a first guess."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from almanac.config.grammar.types import format_duration
from almanac.config.sections.dataset import Column
from almanac.draft.columns import ProfiledColumn
from almanac.draft.roles import MOST_CATEGORIES, assign_roles
from almanac.draft.table import Table, declared_columns

_DAY = timedelta(days=1)
_SEASONS = {"day_ago": _DAY, "week_ago": 7 * _DAY}
_RARE = 0.1
_FOLDS = 4
_SHARE = 0.15  # of the rows in a fold, where they have no time
_DEFAULT_SIZE_MB = 2048
_MIN_CLASS_ROWS = 30  # the default of monitor.performance.min_class_rows


def default_horizon(table: Table) -> timedelta:
    """How far ahead is predicted where nobody says it: the next row of a series; of an event, its own label."""
    return table.step if table.is_series else timedelta(0)


class DraftedSections:
    """The sections of the YAML, guessed of what the files show.

    Args:
        table: what they show.
        label: the column that is predicted.
        equals: its value; None: its number, or which of the classes it is.
        horizon: how far ahead; None: see `default_horizon`.
        classes: its values, where one of several classes is predicted.
    """

    def __init__(
        self,
        table: Table,
        label: ProfiledColumn,
        equals: str | None,
        horizon: timedelta | None,
        classes: tuple[str, ...] = (),
    ) -> None:
        self.table, self.label, self.equals, self.classes = table, label, equals, classes
        self.is_number = equals is None and not classes
        self.horizon = default_horizon(table) if horizon is None else horizon
        looked_at = table.reading.cells.height
        self.rows = round(table.rows * table.frame.height / max(looked_at, 1))  # those that have a time
        self.has_time = table.times is not None
        self.roles = assign_roles(table, label, classes[0] if classes else equals, self.horizon)
        values = table.frame[label.name].drop_nulls()
        shares = [float((values == one).to_numpy().mean()) for one in (classes or (equals,)) if one is not None]
        self.share = min(shares, default=0.0)  # of yes, or of the rarest class
        spread = values.cast(float).std() if self.is_number else None
        self.spread = float(str(spread)) if spread is not None else 1.0
        rare = min(self.share, 1 - self.share) < _RARE and not classes
        self.metric = "rmse" if self.is_number else "average_precision" if rare else "f1_macro"
        self.fold = _whole(max(table.span / 12, 10 * table.step), table.step)

    @property
    def description(self) -> str:
        """What the model predicts, in a sentence."""
        what = self.label.name if self.is_number else f"whether {self.label.name} is {self.equals}"
        what = f"which of {', '.join(self.classes)} {self.label.name} is" if self.classes else what
        return f"Predicts {what}, {format_duration(self.horizon)} ahead." if self.has_time else f"Predicts {what}."

    @property
    def source(self) -> dict[str, Any]:
        """Section `source`; empty: the defaults fit."""
        form, largest = self.table.format, max(content.size_bytes for content in self.table.reading.contents) >> 20
        written = form.model_dump(mode="json", exclude_defaults=True)
        patterns = list(dict.fromkeys(map(_pattern, self.table.reading.names)))
        found: dict[str, Any] = {} if patterns == ["*.csv"] else {"patterns": patterns}
        found |= {"max_size_mb": 2 * largest} if 2 * largest > _DEFAULT_SIZE_MB else {}
        return found | ({"format": {"kind": form.kind, **written}} if written or form.kind != "csv" else {})

    @property
    def dataset(self) -> dict[str, Any]:
        """Section `dataset`."""
        columns = self._declared_columns().items()
        return {
            "time": self.table.time,
            **({"step": format_duration(self.table.step)} if self.has_time else {}),
            **({"key": list(self.table.key)} if self.table.key else {}),
            **({} if self.has_time or not self.table.key else {"corrections": "replace"}),
            **({"group": list(self.table.group)} if self.table.group else {}),
            **({"ignored_columns": list(self.table.ignored)} if self.table.ignored else {}),
            "origin": "not said yet",
            "licence": "not said yet",
            "columns": {
                name: column.model_dump(mode="json", by_alias=True, exclude_defaults=True) for name, column in columns
            },
        }

    def _declared_columns(self) -> dict[str, Column]:
        """The columns; a file of rows that are to be judged may lack the label, where that stands in the row itself."""
        columns = declared_columns(self.table)
        if not self.has_time:
            label = columns[self.label.name]
            columns[self.label.name] = label.model_copy(update={"nullable": True, "optional": True})
        return columns

    @property
    def label_section(self) -> dict[str, Any]:
        """Section `label`."""
        ahead = format_duration(self.horizon)
        name = f"{_slug(self.label.name)}_in_{ahead}" if self.has_time else f"{_slug(self.label.name)}_of_row"
        declared = {"name": name, "column": self.label.name}
        kind = {"classes": list(self.classes)} if self.classes else {} if self.is_number else {"equals": self.equals}
        return {**declared, **kind, "horizon": ahead}

    @property
    def features(self) -> list[dict[str, Any]]:
        """Section `features`."""
        found: list[dict[str, Any]] = []
        for column in self.table.columns:
            role = self.roles[column.name].role
            if role not in ("feature", "categories", "label") or (role == "label" and not self.horizon):
                continue  # without a horizon its own row's value is the label itself
            if column.type != "string":
                found.append({"column": column.name})
            elif 1 < len(column.values) <= MOST_CATEGORIES:
                found.append({"column": column.name, "one_of": list(column.values)})
        if self.is_number:  # what the seasonal rules repeat, the model may look at too
            backs = (_SEASONS[rule] - self.horizon for rule in self._seasonal_rules())
            found += [{"column": self.label.name, "lag": format_duration(back)} for back in backs if back]
        if not self.has_time:
            return found
        clock = ["hour_of_day"] if self.table.step < _DAY else []
        calendar = ["day_of_week"] if self.table.step <= _DAY else []
        season = ["day_of_year"] if self.table.span > 60 * _DAY else []
        return [*found, *({"time": each} for each in (*clock, *calendar, *season))]

    @property
    def train(self) -> dict[str, Any]:
        """Section `train`."""
        forest, linear = (
            ("RandomForestRegressor", "Ridge") if self.is_number else ("RandomForestClassifier", "LogisticRegression")
        )
        limits = {"n_estimators": 100, "max_depth": 10, "min_samples_leaf": 5}
        candidates = {
            "linear": {"estimator": f"sklearn.linear_model.{linear}", "scale": True},
            "forest": {"estimator": f"sklearn.ensemble.{forest}", "scale": False, "params": limits},
        }
        return {
            "metric": self.metric,
            "policy": {
                "min_new_labelled_rows": max(self.rows // 20, 1),
                "min_fresh_labelled_rows": max(self.rows // 50, 1),
            },
            "backtest": {
                "folds": _FOLDS,
                **({"fold": format_duration(self.fold)} if self.has_time else {"share": _SHARE}),
                "min_train_rows": max(self.rows // 3, 1),
            },
            "candidates": candidates,
        }

    @property
    def gates(self) -> dict[str, Any]:
        """Section `gates`."""
        even = min(0.5, 1.5 / max(len(self.classes), 2))  # what always says one class reaches less
        limit = {"rmse": self.spread, "average_precision": 1.5 * self.share, "f1_macro": even}[self.metric]
        rows, by_hour = self._rows_in(self.fold), self.table.step < _DAY
        parts = ("hour_of_day", 48) if by_hour else ("month", 4)
        by, many = parts if self.has_time else ("all", 4)
        gates: dict[str, Any] = {
            "absolute": {self.metric: _figure(limit)},
            "baselines": {"metric": self.metric, "margin": self._part(0.01), "kinds": self._baseline_names()},
            "champion": {"metric": self.metric, "max_loss": self._part(0.02), "resamples": 500, "confidence": 0.95},
            "segments": {
                "by": by,
                "metric": "accuracy" if self.classes else self.metric,  # few rows of a segment lack a class
                "max_loss": self._part(0.1),
                "min_rows": max(min(rows // many, 30), 1),  # some segment must have so many
            },
        }
        return {**gates, "calibration": {"min_rows": rows // 2}} if rows < 400 else gates

    def _baseline_names(self) -> list[str]:
        now = ["persistence"] if self.horizon and self.table.is_series else []
        return ["mean" if self.is_number else "majority", *now, *self._seasonal_rules(), "stump"]

    def _seasonal_rules(self) -> list[str]:
        """Those that look further back than the label is ahead, over more than one row of the same key."""
        if not self.table.is_series:
            return []
        return [rule for rule, ago in _SEASONS.items() if self.table.step < ago and self.horizon <= ago < self.fold]

    @property
    def monitor(self) -> dict[str, Any]:
        """Section `monitor`."""
        window = _whole(max(30 * _DAY, 60 * self.table.step), self.table.step)
        rows = self._rows_in(window)
        declared: dict[str, Any] = {
            "window": format_duration(window),
            "performance": {
                "metric": self.metric,
                "max_loss": self._part(0.1),
                "min_rows": max(min(rows // 2, 300), 1),
            },
        }
        seen = int(rows * self.share / 2)
        if self.classes and seen < _MIN_CLASS_ROWS:
            declared["performance"]["min_class_rows"] = max(seen, 1)
        return {**declared, "drift": {"min_rows": max(rows * 3 // 4, 2)}} if rows < 700 else declared

    def _rows_in(self, time: timedelta) -> int:
        """How many rows fall into so much time, of all keys together."""
        if not self.has_time:
            return int(self.rows * _SHARE)  # of a fold; and a later file is no larger, for all that is known
        return int(self.rows * (time / (self.table.span + self.table.step)))

    def _part(self, share: float) -> float:
        """A part of what is large: of the label's spread where it is a number, of 1 otherwise."""
        return _figure(share * self.spread) if self.is_number else share


def _pattern(file: str) -> str:
    """The names of files like this one: by their extension, of packed ones by both."""
    suffixes = Path(file).suffixes
    packed = suffixes[-1:] and suffixes[-1].lower() in (".gz", ".zst", ".bz2", ".xz", ".zip")
    return f"*{''.join(suffixes[-2:] if packed else suffixes[-1:]).lower()}"


def _whole(time: timedelta, step: timedelta) -> timedelta:
    """Whole days, or whole steps where a day is too long."""
    unit = max(_DAY, step) if time >= _DAY else step
    return max(time // unit, 1) * unit


def _figure(value: float) -> float:
    """Three digits: more would pretend to know."""
    return float(f"{value:.3g}")


def _slug(name: str) -> str:
    plain = "".join(sign if sign.isascii() and sign.isalnum() else "_" for sign in name.lower()).strip("_")
    return plain if plain[:1].isalpha() else f"label_{plain}"
