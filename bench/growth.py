"""Measures what recurring work costs after 100, 1,000, ... batches, and how that grows with them.

    python -m bench.growth [batches ...] [--compact]

One process, one step after the other: milliseconds of CPU (the least of three calls), what was read (see
`tests.history.Counts`), and at the end the exponent between the shortest and the longest history: 0 does not grow,
1 grows as history does. Each batch is four hours in a file of its own, with the rows that a training, an alert, a
window, a snapshot and a drill leave in the journal.
"""

import argparse
import logging
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, fields
from functools import partial
from pathlib import Path

from tests.growing import ingest, score, works
from tests.history import Counts, History, counts_of

_TRIES = 3
_COLUMNS = ("CPU ms", *(one.name for one in fields(Counts)))


def _cpu_ms(what: Callable[[], object]) -> float:
    start = time.process_time()
    what()
    return (time.process_time() - start) * 1000


def _measure(what: Callable[[], object]) -> tuple[float, ...]:
    counts = counts_of(what)
    return (min(_cpu_ms(what) for _ in range(_TRIES)), *astuple(counts))


def _of_history(history: History) -> dict[str, tuple[float, ...]]:
    found = {name: _measure(what) for name, what in works(history).items()}
    for rows in (4, 240):
        ingest(history, [history.next_file(rows)])  # imports, and what is made once
        counts = counts_of(partial(ingest, history, [history.next_file(rows)]))
        files = [history.next_file(rows) for _ in range(_TRIES)]
        least = min(_cpu_ms(partial(ingest, history, [one])) for one in files)
        found[f"ingest {rows} rows"] = (least, *astuple(counts))
    score(history)
    found["score, nothing new"] = _measure(lambda: score(history))
    log = Path(history.home.dataset_of(history.model.name)) / "_delta_log"
    found["Delta log, KB"] = (sum(one.stat().st_size for one in log.iterdir()) / 1024, *astuple(Counts()))
    return found


def _print(measured: dict[int, dict[str, tuple[float, ...]]]) -> None:
    sizes = sorted(measured)
    first, last = sizes[0], sizes[-1]
    for column, title in enumerate(_COLUMNS):
        print(f"\n| {title} | " + " | ".join(f"{size:,}" for size in sizes) + " | exponent |")
        print("|---|" + "---:|" * (len(sizes) + 1))
        for name in measured[first]:
            values = [measured[size][name][column] for size in sizes]
            low, high = max(values[0], 1.0), max(values[-1], 1.0)
            exponent = math.log(high / low) / math.log(last / first) if last > first else 0.0
            cells = " | ".join(f"{value:,.1f}" if column == 0 else f"{value:,}" for value in values)
            print(f"| {name} | {cells} | {exponent:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("batches", nargs="*", type=int, default=[100, 1_000])
    parser.add_argument("--compact", action="store_true", help="join small files before measuring, as upkeep does")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        history = History(Path(folder))
        for size in sorted(given.batches):
            history.grow(size)
            if given.compact:
                from almanac.data.table.maintenance import compact

                compact(history.model, history.home)
            measured[size] = _of_history(history)
            print(f"{size:,} measured", flush=True)
    _print(measured)


if __name__ == "__main__":
    main()
