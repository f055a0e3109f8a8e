"""Measures forecasts by grain: `python -m bench.forecast --grains 10000 --steps 200`.

CPU seconds for 1,000 grains by simple rules and by ETS, a run with nothing new, a run with ten changed grains, the peak
of memory, and how much quicker two processes are. The series are made up.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import ForecastModel
from almanac.forecast.choice import forecast_panel
from almanac.forecast.compute import compute_chunk
from almanac.forecast.panel import Panel
from almanac.forecast.plan import chunk_size, chunks, make_plan, missing_grains
from almanac.forecast.results import ResultTable
from tests.forecast.shop import START, WEEK, declare, publish, rows_of, sales

RULES = {"naive": {}, "drift": {}, "level": {}, "seasonal_mean": {}, "ridge": {}}
_ETS_GRAINS = 20


def measure(grains: int, steps: int, folder: Path) -> None:
    """Print one line for each figure."""
    home = Home(home=folder / "home", models=folder / "models")
    model = declare(home.models, {"candidates": RULES})
    now = START + steps * WEEK
    publish(home, rows_of(sales(grains, steps)))
    plan, cpu_s = _cpu(lambda: make_plan(model, home, now=now))
    _say("plan", cpu_s, "CPU s")
    _, cpu_s = _cpu(
        lambda: [_chunk((model, home, each, plan.dataset_version, plan.origin)) for each in _todo(model, home, plan)]
    )
    _say("rules, for 1,000 grains", cpu_s / grains * 1000, "CPU s")
    _say("peak of memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")
    _, wall_s = _wall(lambda: missing_grains(make_plan(model, home, now=now), ResultTable.of(home, model)))
    _say("a run with nothing new", wall_s, "s")
    changed = {name: values + 1 for name, values in list(sales(grains, steps).items())[:10]}
    whole = sales(grains, steps) | changed
    publish(home, rows_of(whole), replace=True)

    def again() -> None:
        found = make_plan(model, home, now=now)
        for each in _todo(model, home, found):
            _chunk((model, home, each, found.dataset_version, found.origin))

    _, wall_s = _wall(again)
    _say("a run with 10 changed grains", wall_s, "s")
    ets = model.forecast.model_copy(
        update={"candidates": declare(home.models, {"candidates": {"ets": {}}}).forecast.candidates}
    )
    panel = Panel.of(list(sales(_ETS_GRAINS, steps).values()))
    _, cpu_s = _cpu(lambda: forecast_panel(panel, ets))
    _say("ETS, for 1,000 grains", cpu_s / _ETS_GRAINS * 1000, "CPU s")


def measure_workers(grains: int, steps: int, folder: Path) -> None:
    """How much quicker two processes are than one, on the same chunks."""
    took = {}
    for workers in (1, 2):
        home = Home(home=folder / f"home{workers}", models=folder / "models")
        model = declare(home.models, {"candidates": RULES, "grains_per_task": max(grains // 8, 1)})
        publish(home, rows_of(sales(grains, steps)))
        plan = make_plan(model, home, now=START + steps * WEEK)
        work = [(model, home, each, plan.dataset_version, plan.origin) for each in _todo(model, home, plan)]
        with multiprocessing.get_context("spawn").Pool(workers) as pool:
            pool.map(_warm, range(workers), chunksize=1)
            _, took[workers] = _wall(lambda pool=pool, work=work: pool.map(_chunk, work, chunksize=1))
        _say(f"{workers} workers", took[workers], "s")
    _say("two workers are quicker by", took[1] / took[2], "times")


def _todo(model: ForecastModel, home: Home, plan: Any) -> list[list[str]]:
    return chunks(missing_grains(plan, ResultTable.of(home, model)), chunk_size(model.forecast))


def _chunk(work: tuple[ForecastModel, Home, list[str], int, str]) -> None:
    model, home, grains, dataset_version, origin = work
    compute_chunk(model, home, grains, dataset_version=dataset_version, origin=origin)


def _warm(_number: int) -> None:
    """Let every worker start and import what it needs before the clock runs."""
    import deltalake  # noqa: F401

    time.sleep(1)


def _cpu(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.process_time()
    return work(), time.process_time() - began


def _wall(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.monotonic()
    return work(), time.monotonic() - began


def _say(what: str, figure: float, unit: str) -> None:
    print(f"{what}: {figure:.1f} {unit}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grains", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--workers", action="store_true", help="Only: one worker against two.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        (measure_workers if options.workers else measure)(options.grains, options.steps, Path(temporary))
