"""Exactly once: whatever dies, comes twice or runs at once, each good row is published once and each bad row kept."""

import contextlib
import faulthandler
import multiprocessing
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.journal.journal import Journal
from almanac.journal.records import Arrival, BatchRecord, BatchState
from tests.data.installation import START, KilledError, Site, tiny_csv, tiny_dataset

STEPS = ("claimed", "validated", "quarantined", "committed", "journaled")
_HUNG_S = 600  # the other process imports for 10 s; beside the tests of eight others that has taken minutes
GOOD_AND_BAD = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "x", "b")]


def _kill_at(step: str) -> Callable[[str, str], None]:
    def on_step(reached: str, batch_id: str) -> None:
        if reached == step:
            raise KilledError(step)

    return on_step


def _state(site: Site) -> tuple[list[object], list[object], list[object]]:
    """The dataset, the quarantine and the journal, as far as they must not depend on how they came about."""
    rows = site.dataset.read(columns=["Time", "x", "kind", "_batch", "_row"]).rows() if site.dataset.exists() else []
    bad = site.quarantined().select("batch", "row", "raw", "rules").rows()
    batches = [
        (b.batch_id, b.state, b.rows_read, b.rows_published, b.rows_quarantined, b.rows_dropped, b.broken_rules)
        for b in sorted(site.journal.batches(site.model.name), key=lambda batch: batch.batch_id)
    ]
    return list(rows), list(bad), list(batches)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("content", [tiny_csv(GOOD_AND_BAD), tiny_csv(GOOD_AND_BAD).replace("x", "y", 1)])
def test_ingest_killed_after_any_step_comes_to_the_same_end(
    tmp_path: Path, site: Site, step: str, content: str
) -> None:
    calm = Site(tmp_path / "calm", site.model)
    calm.land("a.csv", content)
    ingested = calm.ingest()
    site.land("a.csv", content)
    try:
        site.ingest(on_step=_kill_at(step))
    except KilledError:
        summary = site.ingest()
        if step != "journaled" or ingested.rejected:  # after it the run itself goes on and tells
            assert summary.published_rows == ingested.published_rows
            assert summary.quarantined_rows == ingested.quarantined_rows
            assert len(summary.rejected) == len(ingested.rejected)
    site.ingest()
    assert _state(site) == _state(calm)
    assert site.rejected_files() == calm.rejected_files()
    assert [path.exists() for path in (site.landing / "a.csv", calm.landing / "a.csv")] in ([True] * 2, [False] * 2)


def test_ingest_retried_by_the_same_run_reports_again_what_was_published(site: Site) -> None:
    """A worker dies after the last step: Airflow tries the task again with the same files."""
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    with pytest.raises(KilledError):
        site.ingest(on_step=_kill_at("journaled"))
    site.journal = Journal(f"sqlite:///{site.home.home}/journal.db")
    (site.landing / "a.csv").touch()
    assert site.ingest().published_rows == 6


def test_ingest_retried_by_the_same_run_reports_again_what_was_rejected(site: Site) -> None:
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import list_files
    from tests.data.installation import NOW, RUN

    site.land("a.csv", "")
    files = list_files(str(site.landing), ["*.csv"])
    for _ in range(2):
        summary = ingest_batches(site.model, site.home, site.journal, files, RUN, now=NOW, clock=lambda: NOW)
        assert len(summary.rejected) == 1


def test_ingest_batch_journaled_without_its_file_comes_to_the_same_end(site: Site) -> None:
    """As a journal that was rebuilt from the commits has it."""

    class Dying(Journal):
        def record_batch(self, batch: BatchRecord, arrival: Arrival | None = None) -> None:
            super().record_batch(batch)
            raise KilledError

    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    calm, site.journal = site.journal, Dying(site.home.journal_url)
    with pytest.raises(KilledError):
        site.ingest()
    site.journal = calm
    assert site.ingest().published_rows == 6
    assert site.dataset.count() == 6


def test_ingest_lost_journal_row_is_made_again_from_the_commit(site: Site) -> None:
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    site.ingest()
    (before,) = site.journal.batches("weather")
    site.journal = Journal(f"sqlite:///{site.home.home}/new.db")
    site.ingest()
    assert site.journal.batches("weather") == [before]
    assert site.dataset.count() == 6


def test_ingest_killed_try_with_older_dataset_quarantines_what_conflicts_now(site: Site) -> None:
    """Between the try that died and the next one, another batch publishes the same keys."""
    site.land("b.csv", tiny_csv([(20, 1.0, "a")]))
    site.ingest()
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    with pytest.raises(KilledError):
        site.ingest(on_step=_kill_at("quarantined"))
    assert site.quarantined()["row"].to_list() == [7, 8]
    held = (site.landing / "a.csv").rename(site.landing / "a.part")
    site.land("c.csv", tiny_csv([(0, 3.5, "b")]))
    site.ingest()
    held.rename(site.landing / "a.csv")
    site.ingest()
    assert site.quarantined().select("row", "rules").rows() == [
        (1, ["key.conflict_with_dataset"]),
        (7, ["x.range"]),
        (8, ["x.type"]),
    ]
    assert site.dataset.count() == 7


def test_ingest_commit_of_another_batch_meanwhile_is_checked_against(site: Site) -> None:
    """Two ingests of different files with the same key: exactly one of them publishes it."""
    other = Site(site.home.home, site.model)
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))

    def publish_other(step: str, batch_id: str) -> None:
        if step == "quarantined" and not site.journal.batches("weather"):
            (site.landing / "a.csv").rename(site.landing / "a.part")
            site.land("b.csv", tiny_csv([(0, 7.5, "b"), (30, 1.0, "a")]))
            other.ingest()
            (site.landing / "a.part").rename(site.landing / "a.csv")

    site.ingest(on_step=publish_other)
    rows = site.dataset.read()
    assert rows.height == rows["Time"].n_unique() == 7
    assert site.quarantined()["rules"].to_list() == [["key.conflict_with_dataset"], ["x.range"], ["x.type"]]


def _ingest_at_once(root: str, mark: str, other_lives: Callable[[], bool] = lambda: True) -> None:
    site = Site(Path(root), find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()}))

    def meet(step: str, batch_id: str) -> None:
        """Go on when both have validated; how long the other needs until then is the machine's affair."""
        if step == "validated":
            Path(root, f"{mark}.validated").touch()
            while len(list(Path(root).glob("*.validated"))) < 2:
                assert other_lives(), "the other process ended before it had validated"
                time.sleep(0.01)

    site.ingest(on_step=meet)


def _race(root: str) -> None:
    """The other process; one that hangs says where."""
    faulthandler.dump_traceback_later(_HUNG_S - 30)
    _ingest_at_once(root, "other")


def test_ingest_twice_at_once_commits_once(site: Site) -> None:
    site.land("a.csv", tiny_csv(GOOD_AND_BAD))
    other = multiprocessing.get_context("spawn").Process(target=_race, args=(str(site.home.home),))
    other.start()
    try:
        _ingest_at_once(str(site.home.home), "this", other.is_alive)
        other.join(_HUNG_S)
    finally:
        other.kill()  # one that waits for a process which has failed would wait for ever
        other.join()
    assert other.exitcode == 0
    assert site.dataset.count() == 6
    assert site.quarantined()["row"].to_list() == [7, 8]
    assert [batch.state for batch in site.journal.batches("weather")] == [BatchState.PUBLISHED]


FILES = tuple(
    tiny_csv([*((10 * n + hour, n + hour / 10, "a") for hour in range(4)), (10 * n + 4, 99, "a")]) for n in range(3)
)
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("land"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("ingest"), st.none(), st.none()),
        st.tuples(st.just("kill"), st.sampled_from(STEPS), st.none()),
        st.tuples(st.just("rename"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("lose_journal"), st.none(), st.none()),
    ),
    min_size=2,
    max_size=7,
)


def _act(site: Site, action: str, what: object, name: object, landed: set[int]) -> None:
    if action == "land":
        site.land(f"{what}_{name}.csv", FILES[int(str(what))])
        landed.add(int(str(what)))
    elif action == "rename":
        for path in site.landing.glob(f"{what}_*.csv"):
            path.rename(path.with_name(f"{what}_{name}.csv"))
    elif action == "lose_journal":
        site.journal = Journal(f"sqlite:///{site.home.home}/journal_{len(list(site.home.home.iterdir()))}.db")
    else:
        with contextlib.suppress(KilledError):
            site.ingest(on_step=_kill_at(str(what)))


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(actions=ACTIONS)
def test_ingest_any_sequence_keeps_every_row_once(actions: list[tuple[str, object, object]]) -> None:
    model: Model = find_model(MODELS_FOLDER, "weather").model_copy(update={"dataset": tiny_dataset()})
    with TemporaryDirectory() as root:
        site = Site(Path(root), model)
        landed: set[int] = set()
        for action, what, name in actions:
            _act(site, action, what, name, landed)
        site.ingest()
        expected = Counter(10 * n + hour for n in landed for hour in range(4))
        rows = site.dataset.read(columns=["Time", "_batch"]) if landed else pl.DataFrame(schema=["Time", "_batch"])
        assert Counter(int((time - START).total_seconds() // 3600) for time in rows["Time"]) == expected
        assert rows["_batch"].n_unique() == len(landed)
        bad = site.quarantined()
        assert sorted(bad["row"]) == [5] * len(landed)
        assert bad["batch"].n_unique() == len(landed)
        known: list[BatchRecord] = site.journal.batches("weather")
        assert sorted(batch.batch_id for batch in known) == sorted(rows["_batch"].unique())
