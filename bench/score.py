"""Batch scoring in rows per second and peak memory: Almanac against scikit-learn's pipeline and `mlflow.pyfunc`.

    python -m bench.score                       # logistic regression at 10^5, 10^6 and 10^7 rows
    python -m bench.score --candidate forest --rows 100000 1000000

All read the same Delta dataset (synthetic, a row every ten seconds) and build the same features. Almanac goes chunk by
chunk and commits partitions by day and version with id, hash and latency; the other two are what one would write in a
notebook: read all, `predict_proba`, write one Parquet file. Each figure is of a process of its own.
"""

import argparse
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2020, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=10)
BATCH_ROWS = 1_000_000
TRAIN_ROWS = 20_000
METHODS = ("almanac", "scikit-learn", "mlflow.pyfunc")
# What a warm worker has imported; the clock starts after it, and all carry the same.
IMPORTS = ("deltalake", "onnxruntime", "sklearn.ensemble", "sklearn.linear_model", "skops.io", "mlflow.pyfunc")


def rows(first: int, count: int) -> pl.DataFrame:
    draw = np.random.default_rng(abs(first))
    time_us = pl.Series((np.arange(first, first + count) * (STEP // timedelta(microseconds=1))).astype(np.int64))
    since = int(START.timestamp() * 1e6)
    wet = draw.random(count) < 0.25
    return pl.DataFrame(
        {
            "Timestamp": (time_us + since).cast(pl.Datetime("us", "UTC")),
            "Location": pl.repeat("Port", count, eager=True),
            "Temperature_C": draw.normal(10, 5, count),
            "Apparent_Temperature_C": draw.normal(10, 5, count),
            "Humidity": np.clip(draw.normal(0.6, 0.1, count) + 0.2 * wet, 0.05, 1),
            "Wind_speed_kmph": draw.uniform(0, 40, count),
            "Wind_bearing_degrees": draw.integers(0, 360, count),
            "Visibility_km": draw.uniform(0, 16, count),
            "Pressure_millibars": draw.normal(1013, 8, count) - 8 * wet,
            "Weather_conditions": np.where(wet, "rain", "clear"),
        }
    )


def prepare(folder: Path, most: int, candidate: str) -> None:
    """Make the dataset, a fitted pipeline, its graph and its MLflow folder."""
    import mlflow.onnx
    import onnx

    from almanac.config.files.loader import find_model
    from almanac.config.home import MODELS_FOLDER, Home
    from almanac.data.table.dataset import DatasetTable
    from almanac.features.features import build_features
    from almanac.registry.pipeline_file import dump_pipeline
    from almanac.statistics.profiling import build_profile
    from almanac.training.export.export import export_onnx
    from almanac.training.fit.candidates import build_pipeline
    from tests.data.parts import publish_rows

    model = find_model(MODELS_FOLDER, "weather")
    dataset = DatasetTable.of(Home(home=folder), model)
    for number, first in enumerate(range(0, most, BATCH_ROWS)):
        part = rows(first, min(BATCH_ROWS, most - first))
        part = part.with_columns(_row=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
        publish_rows(dataset, part, f"batch{number}")
    known = rows(-TRAIN_ROWS, TRAIN_ROWS)
    matrix = build_features(model, known)
    labels = (known["Weather_conditions"] == "rain").to_numpy().astype(int)
    pipeline = build_pipeline(model, candidate, {"n_estimators": 20} if candidate == "forest" else None)
    pipeline.fit(matrix.values, labels)
    graph = export_onnx(model, pipeline, matrix.names)
    (folder / "model.onnx").write_bytes(graph)
    (folder / "pipeline.skops").write_bytes(dump_pipeline(pipeline))
    probabilities = pipeline.predict_proba(matrix.values)[:, 1]
    profile = build_profile(model, known, probabilities=probabilities, labels=labels.astype(float))
    (folder / "profile.json").write_text(profile.to_json(), "utf-8")
    mlflow.onnx.save_model(onnx.load_from_string(graph), str(folder / "mlflow"), pip_requirements=[])


def score_almanac(folder: Path, until: datetime) -> int:
    from almanac.config.files.loader import find_model
    from almanac.config.home import MODELS_FOLDER, Home
    from almanac.journal.records import RunRef
    from almanac.registry.records import ModelVersion
    from almanac.scoring.score import score_new_windows

    class Files:
        def champion(self, model: str) -> ModelVersion:
            return ModelVersion(model, "run", {}, version="1")

        def by_alias(self, model: str, alias: str) -> None:
            return None

        def load_onnx(self, version: ModelVersion) -> bytes:
            return (folder / "model.onnx").read_bytes()

        def load_profile(self, version: ModelVersion) -> str:
            return (folder / "profile.json").read_text("utf-8")

    model, now = find_model(MODELS_FOLDER, "weather"), datetime.now(UTC)
    home = Home(home=folder, predictions=tempfile.mkdtemp(dir=folder))
    run = RunRef("bench", "score")
    return score_new_windows(model, home, Files(), run=run, now=now, since=START, until=until).rows


def score_at_once(folder: Path, until: datetime, method: str) -> int:
    from almanac.config.files.loader import find_model
    from almanac.config.home import MODELS_FOLDER, Home
    from almanac.data.table.dataset import DatasetTable
    from almanac.features.features import build_features, feature_columns

    model = find_model(MODELS_FOLDER, "weather")
    frame = DatasetTable.of(Home(home=folder), model).read(
        columns=list(feature_columns(model)), since=START, until=until
    )
    values = build_features(model, frame).values
    if method == "scikit-learn":
        from almanac.registry.pipeline_file import load_pipeline

        predicted = load_pipeline((folder / "pipeline.skops").read_bytes()).predict_proba(values)[:, 1]
    else:
        import mlflow.pyfunc

        predicted = mlflow.pyfunc.load_model(str(folder / "mlflow")).predict({"features": values})["probabilities"][
            :, 1
        ]
    out = pl.DataFrame({"time": frame["Timestamp"], "probability": predicted})
    out.write_parquet(Path(tempfile.mkdtemp(dir=folder)) / "predictions.parquet", compression="zstd")
    return out.height


def measure(folder: Path, method: str, count: int) -> None:
    for name in IMPORTS:
        importlib.import_module(name)
    until = START + count * STEP
    started = time.perf_counter()
    done = score_almanac(folder, until) if method == "almanac" else score_at_once(folder, until, method)
    seconds = time.perf_counter() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": done, "seconds": seconds, "peak_mb": peak_mb}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--candidate", choices=("logistic", "forest"), default="logistic")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(Path(chosen.measure[0]), chosen.measure[1], int(chosen.measure[2]))
        return
    with tempfile.TemporaryDirectory(prefix="almanac-bench-") as folder:
        prepare(Path(folder), max(chosen.rows), chosen.candidate)
        print(f"{chosen.candidate}\n{'rows':>10} {'method':14} {'seconds':>8} {'rows/s':>9} {'peak MB':>8}")
        for count in chosen.rows:
            for method in METHODS:
                output = subprocess.run(
                    [sys.executable, "-m", "bench.score", "--measure", folder, method, str(count)],
                    check=True,
                    capture_output=True,
                    text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
                seen = json.loads(output.stdout.splitlines()[-1])
                pace = seen["rows"] / seen["seconds"]
                print(
                    f"{seen['rows']:>10} {method:14} {seen['seconds']:>8.1f} {pace:>9.0f} {seen['peak_mb']:>8.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
