"""The gates on the real weather file: a book's recipe reproduced, then judged as this project judges.

    python -m bench.book_gates [weather_dataset_raw.csv.gz]

1. The book's own measurement: the label stands four rows *earlier* than its features, rows are split at random.
   Both of its models look excellent.
2. The same two models on the rows that come after, which nobody has seen: the gates refuse both.
3. The label that was meant, four hours *ahead*, joined on time; trained before 2014, tested on 2014 to 2016: the
   forest is good and is refused all the same, because the rule `temperature > 0` is as good.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.features import ColumnFeature
from almanac.release import gates
from almanac.training.backtest.backtest import LabelledRows, backtest_frame, labelled_rows, subset
from almanac.training.backtest.baselines import predict_baselines
from almanac.training.backtest.folds import Fold
from tests.data.real_data import REAL_DATA

WEATHER = REAL_DATA / "weather" / "weather_dataset_raw.csv.gz"
COLUMNS = (
    "Temperature_C",
    "Humidity",
    "Wind_speed_kmph",
    "Wind_bearing_degrees",
    "Visibility_km",
    "Pressure_millibars",
)  # and, as the seventh feature, whether it rains now
BOOK_ROWS = 77_160
TEST_START = datetime(2014, 1, 1, tzinfo=UTC)
METRIC = "accuracy"  # the one that the book reports


@dataclass(frozen=True)
class Judged:
    """A model on rows that came later, the baselines beside it, and the verdicts."""

    name: str
    accuracy: float
    naive: dict[str, float]
    stump: str
    results: tuple[gates.GateResult, ...]

    @property
    def refused_by(self) -> list[str]:
        return [result.name for result in self.results if not result.passed]


def read_raw(path: Path = WEATHER) -> pl.DataFrame:
    """The file as it is: out of order, with duplicates; times in UTC."""
    raw = pl.read_csv(path, schema_overrides={"Wind_bearing_degrees": pl.Float64})
    return raw.with_columns(
        pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%:z", time_zone="UTC", time_unit="us")
    )


def book_rows(raw: pl.DataFrame) -> LabelledRows:
    """The book's table: rows in the order of the file, the label that of four rows before."""
    wet = raw["Weather_conditions"].fill_null(strategy="forward") == "rain"
    rain = wet.cast(pl.Int8).to_numpy()
    values = np.column_stack([raw.select(COLUMNS).to_numpy(), rain])[4:].astype(np.float32)
    times = raw["Timestamp"].dt.replace_time_zone(None).to_numpy()[4:]
    return LabelledRows((*COLUMNS, "raining"), values, times, rain[:-4], rain[4:].astype(float))


def book_models() -> dict[str, Callable[[], object]]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.svm import SVC

    return {
        "SVC": lambda: SVC(C=1.0, kernel="rbf", cache_size=1000),
        "RandomForest": lambda: RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=2),
    }


def book_recipe(raw: pl.DataFrame, name: str):
    """Fit one of the book's models its own way; gives the accuracy that the book sees, and the fitted pipeline."""
    from sklearn.metrics import accuracy_score
    from sklearn.model_selection import train_test_split
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = book_rows(raw)
    exact = raw.select(COLUMNS).to_numpy()[4:][:BOOK_ROWS]  # float64, as the book has it
    values, label = np.column_stack([exact, rows.state_now[:BOOK_ROWS]]), rows.labels[:BOOK_ROWS]
    x_train, x_test, y_train, y_test = train_test_split(values, label, test_size=0.2, random_state=1)
    pipeline = make_pipeline(StandardScaler(), book_models()[name]()).fit(x_train, y_train)
    return float(accuracy_score(y_test, pipeline.predict(x_test))), pipeline


def judge_book(raw: pl.DataFrame, name: str, pipeline) -> Judged:
    """A model of the book on the rows after those it knows, with the book's own label."""
    rows = book_rows(raw)
    known, later = np.arange(BOOK_ROWS), np.arange(BOOK_ROWS, len(rows))
    predicted = pipeline.predict(rows.values[later].astype(np.float64)).astype(float)
    return judge(name, rows, known, later, predicted)


def judge_true_label(raw: pl.DataFrame) -> Judged:
    """A forest on the label four hours ahead, as this project builds features, labels and splits."""
    from sklearn.ensemble import RandomForestClassifier

    raining = ColumnFeature(column="Weather_conditions", equals="rain")
    features = (*(ColumnFeature(column=name) for name in COLUMNS), raining)
    model = declared().model_copy(update={"features": features})
    frame = raw.unique("Timestamp", keep="first", maintain_order=True)
    rows = labelled_rows(model, frame, now=datetime(2017, 1, 1, tzinfo=UTC))
    cut = np.datetime64(TEST_START.replace(tzinfo=None))
    known = np.flatnonzero(rows.times + np.timedelta64(model.label.horizon) <= cut)
    later = np.flatnonzero(rows.times >= cut)
    forest = RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=2)
    forest.fit(rows.values[known], rows.labels[known])
    predicted = forest.predict_proba(rows.values[later])[:, 1]
    return judge("forest, true label", rows, known, later, predicted)


def judge(name: str, rows: LabelledRows, known: np.ndarray, later: np.ndarray, said: np.ndarray) -> Judged:
    """The gates that ask whether a model is worth having: absolute, baselines, seasons."""
    model = declared()
    baselines = predict_baselines(subset(rows, known), subset(rows, later), METRIC)
    fold = Fold(0, rows.times[later][0], rows.times[later][-1], known, later)
    evaluation = gates.Evaluation(
        backtest_frame(rows, [fold], [{"answer": said, **baselines.predictions}]), parity=None
    )
    checks = ("absolute", "baselines", "segments")
    results = tuple(result for check in checks for result in gates.GATES[check](model, evaluation))
    truth = rows.labels[later] == 1
    accuracies = {rule: float(((value >= 0.5) == truth).mean()) for rule, value in baselines.predictions.items()}
    return Judged(name, float(((said >= 0.5) == truth).mean()), accuracies, baselines.stump, results)


def declared() -> Model:
    """The weather model's own gates, on accuracy."""
    model = load_model(MODELS_FOLDER / "weather.yaml")
    changed = model.model_dump()
    changed["gates"]["absolute"] = {METRIC: 0.5}
    # The book's rows are judged as they stand, without the hours before them that seasonal rules look back to.
    changed["gates"]["baselines"]["kinds"] = ["majority", "persistence", "stump"]
    for gate in ("baselines", "champion", "segments"):
        changed["gates"][gate]["metric"] = METRIC
    return Model.model_validate(changed)


def main(path: Path) -> None:
    warnings.simplefilter("ignore")
    raw = read_raw(path)
    judged = []
    for name in book_models():
        started = time.perf_counter()
        accuracy, pipeline = book_recipe(raw, name)
        print(f"{name}: the book's own measurement, accuracy {accuracy:.16f} ({time.perf_counter() - started:.0f} s)")
        judged.append(judge_book(raw, name, pipeline))
    judged.append(judge_true_label(raw))
    print(f"\n{'model':<20} {'accuracy':>8} {'majority':>8} {'persist.':>8} {'stump':>8}  refused by")
    for one in judged:
        baselines = " ".join(f"{one.naive[rule]:>8.4f}" for rule in ("majority", "persistence", "stump"))
        print(f"{one.name:<20} {one.accuracy:>8.4f} {baselines}  {', '.join(one.refused_by) or 'nothing'}")
    for one in judged:
        print(f"\n{one.name}: best rule on one column: {one.stump}")
        for result in one.results:
            print(f"  {'passed ' if result.passed else 'REFUSED'} {result.name}: {result.reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, nargs="?", default=WEATHER)
    main(parser.parse_args().source)
