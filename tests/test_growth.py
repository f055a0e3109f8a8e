"""What recurring work reads does not grow with history: rows, files, commits, whatever the machine."""

from functools import partial

import pytest

from almanac.data.table.maintenance import compact
from tests.growing import ingest, works
from tests.history import Counts, History, least_counts_of

SHORT, LONG = 30, 130  # as many commits after the last checkpoint of the log
# Between two checkpoints Delta reads each commit, and a page of a B-tree more is a read more.
FACTOR, ALLOWED = 1.3, 4
CALLS = 3  # of each: other threads of the process read, too


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Counts]]:
    """The counts of each work after a short and a long history, both just compacted."""
    found = {}
    for size in (SHORT, LONG):
        history = History(tmp_path_factory.mktemp(f"history{size}"))
        history.grow(size)
        compact(history.model, history.home)
        found[size] = {name: least_counts_of([what] * CALLS) for name, what in works(history).items()}
        ingest(history, [history.next_file()])  # imports, and what is made once
        next_files = (partial(ingest, history, [history.next_file()]) for _ in range(CALLS))
        found[size]["ingest"] = least_counts_of(next_files)
    return found


def test_recurring_work_after_four_times_the_batches_reads_no_more(counted: dict[int, dict[str, Counts]]) -> None:
    grown = {name: short.grown(counted[LONG][name], FACTOR, ALLOWED) for name, short in counted[SHORT].items()}
    assert {name: counts for name, counts in grown.items() if counts} == {}
