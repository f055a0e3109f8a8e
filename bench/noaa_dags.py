"""Fifty years of daily weather through the real DAGs: does retraining pay where everything is real?

    python -m bench.noaa_dags [--years 4] [--figure curve.svg]

The days of `bench.noaa_retraining`, landed as files, some years at a time, into a real Airflow with its own MLflow. The
first ten years are ingested, trained on and promoted. Then, for each step: the next years land and are ingested by the
DAG that waits for them; `score_noaa` scores them with anyone who is champion; `train_noaa` trains, judges, and
promotes by rule. What the champions of their time said (*retrained*) is held against what the very first version says
of the same days (*static*) and against persistence.
"""

import argparse
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.config.schema import Model
from almanac.data.table.delta_table import read_table
from almanac.features.features import build_features
from almanac.features.labels import labels, state_now
from almanac.registry.onnx_model import OnnxModel
from almanac.services.airflow_api import DagRun
from almanac.services.registry_access import open_registry
from almanac.services.services import Services
from bench.noaa_retraining import DECLARED, FEATURES, FIRST, START, read
from bench.real_airflow import check, run_to_its_end, wait_for_dags

MODEL = "noaa"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WAYS = ("persistence", "static", "retrained")


@dataclass(frozen=True)
class Step:
    """Some years that were predicted: their end, the share of days that each way was right on, and by which version."""

    end: datetime
    days: int
    right: dict[str, float]
    champion: str
    verdict: str


def declare(folder: Path) -> Model:
    """The benchmark as a model whose DAGs run when they are asked; only ingest waits for files."""
    folder.mkdir(parents=True)
    (folder / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    values: dict[str, Any] = yaml.safe_load(DECLARED)
    values["dataset"]["columns"] |= {name: {"type": "float", "nullable": True} for name in FEATURES}
    values["dataset"] |= {"skew": None, "earliest": "1949-01-01"}
    values["dataset"]["columns"]["rain"]["nullable"] = True
    values["features"] = [{"column": name} for name in FEATURES]
    values["source"] = {"settle": "1s"}
    values["backup"] = {"after_publication": False}
    values["train"]["backtest"] = {"folds": 2, "fold": "730d", "min_train_rows": 1000}
    values["train"]["triggers"] = {"schedule": None, "new_data": False, "retrain_request": False}
    values["score"] = {"window": "30d"}
    values["gates"]["variation"] = {"ask_above": 0.5}
    (folder / f"{MODEL}.yaml").write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    return find_model(folder, MODEL)


class Years:
    """The real thing, asked through its public interfaces."""

    def __init__(self, services: Services, model: Model, days: pl.DataFrame) -> None:
        self.services, self.model, self.days = services, model, days
        self.registry = open_registry(services.home)

    def land(self, since: datetime, until: datetime) -> None:
        """Write the days as a file and wait until they are published."""
        from almanac.data.table.dataset import DatasetTable

        part = self.days.filter(pl.col("Day") >= since, pl.col("Day") < until)
        folder = Path(self.services.home.landing_of(MODEL))
        folder.mkdir(parents=True, exist_ok=True)
        hidden = folder / f".{since:%Y%m%d}.csv.part"
        part.with_columns(pl.col("Day").dt.strftime("%Y-%m-%dT%H:%M:%SZ")).write_csv(hidden)
        hidden.rename(folder / f"{since:%Y%m%d}.csv")
        dataset, deadline, last = (
            DatasetTable.of(self.services.home, self.model),
            time.monotonic() + 300,
            part["Day"].max(),
        )
        while (reach := dataset.time_range() if dataset.exists() else None) is None or reach[1] < last:
            check(time.monotonic() < deadline, f"the days to {last} were not published in 300 s; got {reach}")
            time.sleep(1)

    def run(self, dag: str, conf: dict[str, Any]) -> DagRun:
        with self.services.airflow() as airflow:
            return run_to_its_end(airflow, f"{dag}_{MODEL}", conf)

    def verdict(self, run: DagRun) -> str:
        """The last task of the train DAG that did something."""
        with self.services.airflow() as airflow:
            return ", ".join(one.task_id for one in airflow.tasks(run.dag_id, run.run_id) if one.state == "success")

    def foretold(self, since: datetime, until: datetime) -> tuple[dict[str, float], int]:
        """Each way's share of days on which it was right."""
        time_, frame = self.model.dataset.time, self.days
        graph = OnnxModel(self.registry.load_onnx(self.registry.version(MODEL, "1")))
        predictions = read_table(self.services.home.predictions_of(MODEL))
        newest = predictions.sort(pl.col("model_version").cast(pl.Int64)).unique(
            "time", keep="last", maintain_order=True
        )
        table = frame.select(
            pl.col(time_).alias("time"),
            labels(self.model, frame, now=NOW).alias("truth"),
            (state_now(self.model, frame) == 1).alias("persistence"),
            pl.Series("static", graph.score(build_features(self.model, frame)) >= graph.threshold),
        )
        table = table.join(newest.select("time", (pl.col("label") == 1).alias("retrained")), on="time", how="left")
        table = table.filter(pl.col("time") >= since, pl.col("time") < until).drop_nulls()
        right = {way: float((table[way] == (table["truth"] == 1)).mean()) for way in WAYS}  # type: ignore[arg-type]
        return right, table.height


def replay(services: Services, model: Model, days: pl.DataFrame, years: int) -> list[Step]:
    world, steps = Years(services, model, days), []
    since, last = START + timedelta(days=FIRST), START + timedelta(days=days.height - 1)
    landed = since + DAY  # the label of a step's last day is the day after
    world.land(START, landed)
    print(f"first training: {world.verdict(world.run('train', {'reason': 'the first ten years'}))}", flush=True)
    while since < last:
        until = min(since + timedelta(days=365 * years), last)
        world.land(landed, until + DAY)
        landed = until + DAY
        champion = world.registry.champion(MODEL)
        world.run("score", {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}", "until": f"{until:%Y-%m-%dT%H:%M:%SZ}"})
        right, count = world.foretold(since, until)
        verdict = world.verdict(world.run("train", {"reason": f"the years to {until:%Y-%m}"}))
        steps.append(Step(until, count, right, champion.version if champion else "", verdict))
        sent = "  ".join(f"{way} {right[way]:.3f}" for way in WAYS)
        print(f"to {until:%Y-%m} {count:>5} days by version {steps[-1].champion}: {sent}; then {verdict}", flush=True)
        since = until
    return steps


def draw(steps: list[Step], path: Path) -> None:
    """The curve as a picture."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    for way, color in zip(WAYS, ("#9ca3af", "#d97706", "#2563eb"), strict=True):
        axes.plot([step.end for step in steps], [step.right[way] for step in steps], marker="o", color=color, label=way)
    axes.set_ylabel("share of days predicted right")
    axes.legend(frameon=False, ncols=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--figure", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="almanac-noaa-") as folder:
        home = Home(home=Path(folder), models=Path(folder) / "models")
        model = declare(home.models)
        with Services(home, report=print).running() as services:
            wait_for_dags(services, *(f"{kind}_{MODEL}" for kind in ("ingest", "train", "score")))
            steps = replay(services, model, read(), asked.years)
    total = sum(step.days for step in steps)
    means = {way: sum(step.days * step.right[way] for step in steps) / total for way in WAYS}
    print("all  " + "  ".join(f"{way} {mean:.4f}" for way, mean in means.items()) + f"  on {total} days")
    if asked.figure is not None:
        draw(steps, asked.figure)


if __name__ == "__main__":
    main()
