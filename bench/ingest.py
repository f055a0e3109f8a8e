"""Measures how fast and in how much memory a landed CSV file becomes published rows, against plain scripts.

Every figure is taken in a process of its own, one after the other, libraries imported before the clock starts.

    python bench/ingest.py <empty folder> [million rows ...] [--only NAME ...]

Needs requirements-bench.txt beside requirements.txt.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

from almanac.config.files.loader import find_model  # noqa: E402
from almanac.config.home import MODELS_FOLDER, Home  # noqa: E402
from almanac.config.schema import Model  # noqa: E402

CHUNK = 500_000
_CHECKED = 1_000_000
KINDS = ("rain", "snow", "clear")
LIMITS = {
    "Temperature_C": (-60, 60),
    "Apparent_Temperature_C": (-80, 70),
    "Humidity": (0.01, 1.0),
    "Wind_speed_kmph": (0, 250),
    "Wind_bearing_degrees": (0, 360),
    "Visibility_km": (0, 50),
    "Pressure_millibars": (870, 1085),
}
FLOATS = [name for name in LIMITS if name != "Wind_bearing_degrees"]


def make_file(path: Path, rows: int, bad_every: int = 1000) -> None:
    """Rows of 15 seconds in the columns of the weather model; one in so many breaks a rule."""
    rng = np.random.default_rng(1)
    with path.open("wb") as stream:
        for at in range(0, rows, CHUNK):
            count = min(CHUNK, rows - at)
            start = 1_293_840_000_000_000 + at * 15_000_000
            time_us = pl.Series(start + np.arange(count) * 15_000_000).cast(pl.Datetime("us", "UTC"))
            warm = (10 + 10 * rng.standard_normal(count)).clip(-50, 50).round(2)
            pressure = (1013 + 8 * rng.standard_normal(count)).round(2)
            pressure[::bad_every] = 0
            frame = pl.DataFrame(
                {
                    "Timestamp": time_us.dt.strftime("%Y-%m-%d %H:%M:%S%:z"),
                    "Location": ["Port of Turku, Finland"] * count,
                    "Temperature_C": warm,
                    "Apparent_Temperature_C": (warm - 1).round(2),
                    "Humidity": rng.uniform(0.2, 1, count).round(2),
                    "Wind_speed_kmph": rng.uniform(0, 60, count).round(1),
                    "Wind_bearing_degrees": rng.integers(0, 360, count),
                    "Visibility_km": rng.uniform(0, 16, count).round(2),
                    "Pressure_millibars": pressure,
                    "Weather_conditions": np.array(KINDS)[rng.integers(0, 3, count)],
                }
            )
            frame.write_csv(stream, include_header=at == 0)


def _model() -> Model:
    model = find_model(MODELS_FOLDER, "weather")
    return model.model_copy(update={"source": model.source.model_copy(update={"max_size_mb": 16_384})})


def _ingest(files: list[Path], folder: Path) -> int:
    """Land the files in a new installation and ingest them."""
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.journal.journal import Journal
    from almanac.journal.records import RunRef
    from almanac.storage.listing import list_files

    home, model = Home(home=folder), _model()
    landing = Path(home.landing_of(model.name))
    landing.mkdir(parents=True)
    for file in files:
        os.link(file, landing / file.name)
    listed = list_files(str(landing), model.source.patterns)
    summary = ingest_batches(model, home, Journal(home.journal_url), listed, RunRef("bench", "bench"))
    if summary.rejected:
        raise SystemExit(str(summary.rejected))
    return summary.published_rows


def almanac(file: Path, folder: Path) -> Callable[[], int]:
    import deltalake  # noqa: F401
    import great_expectations  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.csv
    import pyarrow.parquet  # noqa: F401

    return lambda: _ingest([file], folder)


def almanac_bad(file: Path, folder: Path) -> Callable[[], int]:
    """A file of which every third row is bad; the model allows half of them."""
    return almanac(file, folder)


def almanac_many(file: Path, folder: Path) -> Callable[[], int]:
    """200 files of 100 rows."""
    header, *lines = _head(file, 20_001)
    small = folder / "small"
    small.mkdir()
    files = [small / f"{n:03}.csv" for n in range(200)]
    for n, path in enumerate(files):
        path.write_text(header + "".join(lines[100 * n : 100 * n + 100]), "utf-8")
    almanac(file, folder)  # imports
    return lambda: _ingest(files, folder / "home")


def almanac_one(file: Path, folder: Path) -> Callable[[], int]:
    """One file of 100 rows."""
    header, *lines = _head(file, 101)
    small = folder / "one.csv"
    small.write_text(header + "".join(lines), "utf-8")
    almanac(file, folder)  # imports
    return lambda: _ingest([small], folder / "home")


def _head(file: Path, count: int) -> list[str]:
    with file.open(encoding="utf-8") as stream:
        return list(islice(stream, count))


def _bad(frame: pl.DataFrame) -> pl.Series:
    """The rules of the weather model, written by hand."""
    now = datetime.now(UTC)
    return frame.select(
        pl.any_horizontal(
            pl.any_horizontal(pl.all().is_null()),
            *(~pl.col(name).is_between(low, high) for name, (low, high) in LIMITS.items()),
            ~pl.col("Weather_conditions").is_in(KINDS),
            pl.col("Timestamp") > now,
            pl.col("Timestamp") < datetime(2000, 1, 1, tzinfo=UTC),
            pl.len().over("Timestamp") > 1,
        ).fill_null(True)
    ).to_series()


def _typed(text: pl.DataFrame) -> pl.DataFrame:
    return text.with_columns(
        pl.col("Timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False),
        pl.col(FLOATS).cast(pl.Float64, strict=False),
        pl.col("Wind_bearing_degrees").cast(pl.Int64, strict=False),
    )


def plain_polars(file: Path, folder: Path) -> Callable[[], int]:
    from deltalake import WriterProperties, write_deltalake

    def run() -> int:
        frame = _typed(pl.read_csv(file, infer_schema=False)).unique(maintain_order=True)
        bad = _bad(frame)
        good = frame.filter(~bad).with_columns(pl.col("Timestamp").dt.strftime("%Y-%m").alias("_month"))
        frame.filter(bad).write_parquet(folder / "bad.parquet")
        compressed = WriterProperties(compression="ZSTD")
        write_deltalake(str(folder / "table"), good, partition_by=["_month"], writer_properties=compressed)
        return good.height

    return run


def plain_duckdb(file: Path, folder: Path) -> Callable[[], int]:
    import duckdb
    from deltalake import WriterProperties, write_deltalake

    floats = ", ".join(f"try_cast({name} AS DOUBLE) AS {name}" for name in FLOATS)
    ranges = " OR ".join(f"{name} NOT BETWEEN {low} AND {high}" for name, (low, high) in LIMITS.items())
    nulls = " OR ".join(f"{name} IS NULL" for name in ("Timestamp", "Location", "Weather_conditions", *LIMITS))
    query = f"""
        CREATE TABLE checked AS SELECT *, ({nulls} OR {ranges} OR Weather_conditions NOT IN {KINDS} OR Timestamp > now()
            OR Timestamp < TIMESTAMPTZ '2000-01-01 00:00:00+00' OR count(*) OVER (PARTITION BY Timestamp) > 1) AS bad
        FROM (SELECT DISTINCT try_cast(Timestamp AS TIMESTAMPTZ) AS Timestamp, Location, {floats},
            try_cast(Wind_bearing_degrees AS BIGINT) AS Wind_bearing_degrees, Weather_conditions
            FROM read_csv('{file}', all_varchar = true))"""  # noqa: S608 - a bench's own names

    def run() -> int:
        base = duckdb.connect()
        base.execute("SET TimeZone = 'UTC'")
        base.execute(query)
        base.execute(f"COPY (SELECT * FROM checked WHERE bad) TO '{folder / 'bad.parquet'}'")  # noqa: S608
        good = base.execute(
            "SELECT * EXCLUDE (bad), strftime(Timestamp, '%Y-%m') AS _month FROM checked WHERE NOT bad"
        ).to_arrow_table()
        compressed = WriterProperties(compression="ZSTD")
        write_deltalake(str(folder / "table"), good, partition_by=["_month"], writer_properties=compressed)
        return int(good.num_rows)

    return run


def _million(file: Path) -> pl.DataFrame:
    """What the checks alone are measured on, whatever the file."""
    return pl.read_csv(file, infer_schema=False, n_rows=_CHECKED)


def checks_almanac(file: Path, folder: Path) -> Callable[[], int]:
    """Masks over all rows, and Great Expectations over the sample that it sees of a batch of this size."""
    from almanac.data.ingest.parsing import parse_cells
    from almanac.validation.expectations import Suite
    from almanac.validation.masks import broken_rules, mark_rows
    from almanac.validation.rules import compile_rules

    dataset, now = _model().dataset, datetime.now(UTC)
    rules = compile_rules(dataset)
    cells = _million(file).with_row_index("_row", offset=1).with_columns(pl.col("_row").cast(pl.Int64))
    frame = mark_rows(parse_cells(cells, dataset, ".", "bench"), rules, newest=None, before=None)
    suite = Suite("bench", rules, now=now)
    suite.validate(frame.head(10))

    def run() -> int:
        broken = broken_rules(frame, rules, now=now)
        sample = frame.gather_every(16)
        suite.validate(sample)
        return int(broken.select(pl.any_horizontal(pl.all())).to_series().sum())

    return run


def checks_polars(file: Path, folder: Path) -> Callable[[], int]:
    frame = _typed(_million(file))
    return lambda: int(_bad(frame).sum())


def checks_pandera(file: Path, folder: Path) -> Callable[[], int]:
    import pandera.pandas as pa

    frame, since = _typed(_million(file)).to_pandas(), datetime(2000, 1, 1, tzinfo=UTC)
    numbers = {name: pa.Column(checks=pa.Check.in_range(low, high)) for name, (low, high) in LIMITS.items()}
    schema = pa.DataFrameSchema(
        {
            "Timestamp": pa.Column(unique=True, checks=pa.Check.in_range(since, datetime.now(UTC))),
            "Location": pa.Column(),
            "Weather_conditions": pa.Column(checks=pa.Check.isin(KINDS)),
            **numbers,
        }
    )

    def run() -> int:
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as error:
            return len(error.failure_cases)
        return 0

    return run


CONTESTANTS = (
    almanac,
    plain_polars,
    plain_duckdb,
    checks_almanac,
    checks_polars,
    checks_pandera,
    almanac_one,
    almanac_many,
    almanac_bad,
)


def _peak_mb() -> int:
    status = Path("/proc/self/status").read_text("utf-8")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024


def measure_here(name: str, file: Path) -> None:
    """Run one contestant in this process and print its figures."""
    contestant = {one.__name__: one for one in CONTESTANTS}[name]
    folder = Path(tempfile.mkdtemp(dir=file.parent))
    try:
        run = contestant(file, folder)
        started, cpu = time.perf_counter(), time.process_time()
        rows = run()
        figures = {"s": time.perf_counter() - started, "cpu_s": time.process_time() - cpu}
        print(json.dumps({**figures, "peak_mb": _peak_mb(), "rows": rows}))
    finally:
        shutil.rmtree(folder)


def measure(name: str, file: Path) -> dict[str, float]:
    """Run one contestant in a process of its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--one", name, str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        return {"s": float("nan"), "cpu_s": float("nan"), "peak_mb": 0, "rows": 0, "code": done.returncode}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _with_many_bad(folder: Path, million: float) -> Path:
    file = folder / f"{million:g}m_bad.csv"
    if not file.exists():
        make_file(file, int(million * 1_000_000), bad_every=3)
    return file


def main(folder: Path, millions: list[float], names: list[str]) -> None:
    """Print a table; ratios are to `plain_polars` and to `checks_polars` of the same size."""
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{'what':16} {'rows':>11} {'s':>8} {'cpu s':>8} {'rows/s':>9} {'peak MB':>8} {'ratio':>6}")
    for size in millions:
        file = folder / f"{size:g}m.csv"
        if not file.exists():
            make_file(file, int(size * 1_000_000))
        base: dict[str, float] = {}
        for name in names:
            one = measure(name, _with_many_bad(folder, size) if name == "almanac_bad" else file)
            if name in ("plain_polars", "checks_polars"):
                base[name[:5]] = one["s"]
            baseline = base.get("check" if name.startswith("checks") else "plain")
            small = name in ("almanac_one", "almanac_many")
            rows = one["rows"] if small else _CHECKED if name.startswith("checks") else size * 1e6
            ratio = f"{one['s'] / baseline:.2f}" if baseline and not small else ""
            print(
                f"{name:16} {rows:11,.0f} {one['s']:8.2f} {one['cpu_s']:8.2f} {rows / one['s']:9,.0f}"
                f" {one['peak_mb']:8.0f} {ratio:>6}",
                flush=True,
            )


def _names() -> list[str]:
    names = ["plain_polars", *(one.__name__ for one in CONTESTANTS if one is not plain_polars)]
    names.remove("checks_polars")
    names.insert(3, "checks_polars")
    return names


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:  # a process of its own for each figure
        measure_here(sys.argv[2], Path(sys.argv[3]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty one, for the files")
    parser.add_argument("sizes", type=float, nargs="*", default=[1.0, 5.0], help="million rows (default: 1 5)")
    parser.add_argument("--only", nargs="+", choices=_names(), default=_names(), metavar="NAME", help="of: %(choices)s")
    asked = parser.parse_args()
    main(asked.folder.resolve(), asked.sizes, asked.only)
