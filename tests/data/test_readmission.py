"""Repaired rows and files pass the same checks, are published once, and leave quarantine with an audit behind them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.config.home import MODELS_FOLDER
from include.data.commit_record import rebuild_journal
from include.data.readmission import Readmission, Readmitter
from include.data.readmit_file import ReadmittedFile, readmit_file
from include.errors import ConfigError, DataError, IntegrityError
from include.journal.journal import Journal
from include.journal.records import DecisionKind, RunRef
from tests.data.installation import NOW, START, KilledError, Site, tiny_csv, tiny_dataset

ADA = RunRef("readmit_weather", "manual__1", started_by="ada")
ROWS = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "12;5", "b"), (8, 3, "c")]  # 7, 8, 9 are bad


@pytest.fixture
def batch(site: Site) -> str:
    site.land("a.csv", tiny_csv(ROWS))
    site.ingest()
    return str(site.quarantined()["batch"][0])


def readmit(site: Site, batch: str, *, on_step: Callable[[str], None] = lambda _: None, **more: Any) -> Readmission:
    readmitter = Readmitter(site.model, site.home, site.journal, ADA, "sensor read out again", lambda: NOW, on_step)
    return readmitter.readmit(batch, **more)


def published(site: Site) -> list[tuple[int, float]]:
    rows = site.dataset.read(columns=["Time", "x"]).rows()
    return [(int((time - START).total_seconds() // 3600), x) for time, x in rows if time.hour >= 6]


def state(site: Site) -> tuple[object, ...]:
    """What must not depend on how it came about."""
    decisions = [(d.accepted, d.reasons, d.subject) for d in site.journal.decisions("weather")]
    batches = sorted((b.batch_id, b.rows_published, b.warnings) for b in site.journal.batches("weather"))
    rows = site.dataset.read(columns=["Time", "x", "kind", "_batch", "_row"]).rows()
    return decisions, batches, rows, site.quarantined().select("batch", "row").rows()


def test_readmit_repaired_rows_are_published_and_leave_quarantine(site: Site, batch: str) -> None:
    done = readmit(site, batch, rows=[7, 8], edits={7: {"x": "9.9"}, 8: {"x": "12.5e-1"}})
    assert (done.published, done.refused) == ((7, 8), ())
    assert done.dataset_version == site.dataset.version()
    assert published(site) == [(6, 9.9), (7, 1.25)]
    assert site.quarantined()["row"].to_list() == [9]


def test_readmit_rows_keep_their_numbers_and_their_batch_is_told(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[8], edits={8: {"x": "1"}})
    (row,) = [row for row in site.dataset.read(columns=["_batch", "_row"]).rows() if row[0] != batch]
    record = site.journal.batch("weather", row[0])
    assert row[1] == 8
    assert record is not None
    assert (record.rows_published, record.rows_quarantined, record.run) == (1, 0, ADA)
    assert record.warnings == (f"readmitted from batch {batch}: sensor read out again",)


def test_readmit_leaves_who_when_why(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}})
    (decision,) = site.journal.decisions("weather", DecisionKind.READMISSION)
    assert decision.accepted
    assert decision.run.started_by == "ada"
    assert decision.decided_at == NOW
    assert decision.reasons == ("sensor read out again", "row 8 still breaks x.type")
    assert batch in decision.subject


def test_readmit_still_bad_rows_are_refused_with_their_rules(site: Site, batch: str) -> None:
    before = site.quarantined().rows()
    done = readmit(site, batch, edits={7: {"x": "-1"}})
    assert done.refused == ((7, ("x.range",)), (8, ("x.type",)), (9, ("kind.values",)))
    assert done.refusals()[0] == "row 7 still breaks x.range"
    assert (done.dataset_version, site.dataset.count()) == (None, 6)
    assert site.quarantined().rows() == before
    (decision,) = site.journal.decisions("weather", DecisionKind.READMISSION)
    assert not decision.accepted
    assert decision.reasons[0] == "sensor read out again"


def test_readmit_twice_changes_nothing(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}, 8: {"x": "8"}})
    after, version = state(site), site.dataset.version()
    again = readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}, 8: {"x": "8"}})
    assert (again.published, again.already, again.dataset_version) == ((), (7, 8), None)
    other = readmit(site, batch, rows=[7], edits={7: {"x": "5"}})
    assert other.already == (7,)
    assert (state(site), site.dataset.version()) == (after, version)


def test_readmit_row_of_a_published_key_is_refused_and_an_equal_one_dropped(site: Site, batch: str) -> None:
    time = START.isoformat()
    done = readmit(
        site, batch, rows=[7, 8], edits={7: {"Time": time, "x": "2"}, 8: {"Time": time, "x": "1.5", "kind": "a"}}
    )
    assert done.refused == ((7, ("key.conflict_with_dataset",)),)
    assert done.dropped == (8,)
    assert site.dataset.count() == 6
    assert site.quarantined()["row"].to_list() == [7, 9]


def test_readmit_after_the_declaration_was_mended_needs_no_edit(site: Site, batch: str) -> None:
    columns = {**site.model.dataset.columns}
    columns["kind"] = columns["kind"].model_copy(update={"values": ("a", "b", "c")})
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=columns)})
    done = readmit(site, batch)
    assert (done.published, [row for row, _ in done.refused]) == ((9,), [7, 8])


def test_readmit_record_that_had_not_the_columns_is_given_them(site: Site) -> None:
    site.land("a.csv", tiny_csv([(0, 1.5, "a"), (1, 1.5, "a")]) + "2021-01-01T02:00:00Z,1;5,a,oops\n")
    site.ingest()
    (batch,) = site.quarantined()["batch"]
    assert site.quarantined()["row"].to_list() == [3]
    with pytest.raises(DataError, match=r"rows \[3\] hold nothing any more"):
        readmit(site, batch)
    cells = {"Time": "2021-01-01T02:00:00Z", "x": "1.5", "kind": "a"}
    assert readmit(site, batch, edits={3: cells}).published == (3,)
    assert site.dataset.count() == 3


def test_readmit_asks_nothing_of_a_delivery(site: Site) -> None:
    """How late rows come and how a batch looks as a whole says nothing about rows that a person repaired."""
    defaults = yaml.safe_load((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"))["dataset"]["skew"]
    skew = {**defaults, "min_rows": 20, "volume": 1.01, "gaps": 0.01}
    strict = {**{f"*.{name}": "reject" for name in ("volume", "gaps", "stale")}, "*.late": "quarantine"}
    site.land("a.csv", tiny_csv(ROWS))
    site.ingest()
    site.land("b.csv", tiny_csv([(hour, 1.5, "a") for hour in range(1000, 1100)]))
    site.ingest()
    batch = str(site.quarantined()["batch"][0])
    site.model = site.model.model_copy(
        update={"dataset": tiny_dataset(late_after="1h", skew=skew, actions=strict, max_bad_share=0.0)}
    )
    assert readmit(site, batch, edits={7: {"x": "9"}}).published == (7,)


def test_readmit_numbers_keep_the_decimal_sign_of_their_file(site: Site) -> None:
    form = site.model.source.format.model_copy(update={"delimiter": ";", "decimal": ","})
    site.model = site.model.model_copy(update={"source": site.model.source.model_copy(update={"format": form})})
    site.land("a.csv", tiny_csv([(0, 1, "a"), (1, 2, "a"), (2, "wet", "a")]).replace(",", ";"))
    site.ingest()
    (batch,) = site.quarantined()["batch"]
    assert readmit(site, batch, edits={3: {"x": "1.5"}}).refused == ((3, ("x.type",)),)
    assert readmit(site, batch, edits={3: {"x": "1,5"}}).published == (3,)
    assert site.dataset.read(columns=["x"])["x"].to_list() == [1, 2, 1.5]


def test_readmit_of_a_published_key_replaces_where_corrections_do(site: Site, batch: str) -> None:
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(corrections="replace")})
    before = site.dataset.version()
    assert readmit(site, batch, rows=[7], edits={7: {"Time": START.isoformat(), "x": "2"}}).published == (7,)
    assert site.dataset.count() == site.dataset.count(before) == 6
    assert (site.dataset.read()["x"][0], site.dataset.read(version=before)["x"][0]) == (2.0, 1.5)


@pytest.mark.parametrize("step", ["committed", "removed", "journaled"])
def test_readmit_killed_after_any_step_comes_to_the_same_end(tmp_path: Path, site: Site, batch: str, step: str) -> None:
    calm = Site(tmp_path / "calm", site.model)
    calm.land("a.csv", tiny_csv(ROWS))
    calm.ingest()
    readmit(calm, batch, rows=[7, 8], edits={7: {"x": "9"}})

    def on_step(reached: str) -> None:
        if reached == step:
            raise KilledError(step)

    with pytest.raises(KilledError):
        readmit(site, batch, rows=[7, 8], edits={7: {"x": "9"}}, on_step=on_step)
    site.journal = Journal(site.home.journal_url)
    readmit(site, batch, rows=[7], edits={7: {"x": "4"}})  # not even with another edit
    assert state(site) == state(calm)


def test_readmit_while_an_ingest_commits_checks_again(site: Site, batch: str) -> None:
    """Somebody publishes the same key after the check and before the commit."""
    readmitter = Readmitter(site.model, site.home, site.journal, ADA, "why", lambda: NOW)
    check = Readmitter._check

    def overtaken(self: Readmitter, *arguments: Any) -> Any:
        checked = check(self, *arguments)
        if not (site.landing / "b.csv").exists():
            site.land("b.csv", tiny_csv([(6, 5, "a")]))
            site.ingest()
        return checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Readmitter, "_check", overtaken)
        done = readmitter.readmit(batch, rows=[7], edits={7: {"x": "9"}})
    assert done.refused == ((7, ("key.conflict_with_dataset",)),)
    assert published(site) == [(6, 5.0)]


def test_rebuild_journal_gives_readmissions_back(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7], edits={7: {"x": "9"}})
    empty = Journal(f"sqlite:///{site.home.home}/rebuilt.db")
    rebuild_journal(site.model, site.home, empty)
    assert empty.batches("weather") == site.journal.batches("weather")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rows": [1]}, r"has no quarantined rows \[1\]; it has \[7, 8, 9\]"),
        ({"rows": [7], "edits": {8: {"x": "1"}}}, r"rows \[8\] are edited but not among the rows to readmit, \[7\]"),
        ({"edits": {7: {"y": "1"}}}, r"row 7 has no columns \['y'\]; it has \['Time', 'x', 'kind'\]"),
        ({"edits": {7: {"Time": None, "x": None, "kind": None}}}, r"rows \[7\] hold nothing any more"),
        ({"rows": [7], "edits": {7: {"Time": "2021-01-01 06:00"}}}, "timestamp without offset"),
    ],
)
def test_readmit_what_is_not_there_is_refused(site: Site, batch: str, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        readmit(site, batch, **more)


def test_readmit_without_reason_or_batch_is_refused(site: Site, batch: str) -> None:
    with pytest.raises(ConfigError, match="no reason given"):
        Readmitter(site.model, site.home, site.journal, ADA, " ").readmit(batch)
    with pytest.raises(DataError, match="batch ffff is not published"):
        readmit(site, "ffff")


def reject(site: Site) -> str:
    site.land("bad;name.csv", tiny_csv([(0, 1.5, "c"), (1, 1.5, "c")]))
    (rejected,) = site.ingest().rejected
    return next(one.batch_id for one in site.journal.batches("weather") if one.uri == rejected.uri)


def whole(site: Site, batch: str, reason: str = "c is a kind now") -> ReadmittedFile:
    return readmit_file(site.model, site.home, site.journal, batch, run=ADA, reason=reason, clock=lambda: NOW)


def mend(site: Site) -> None:
    columns = {**site.model.dataset.columns}
    columns["kind"] = columns["kind"].model_copy(update={"values": ("a", "b", "c")})
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=columns)})


def test_readmit_file_after_the_declaration_was_mended_is_published_once(site: Site) -> None:
    batch = reject(site)
    mend(site)
    done = whole(site, batch[:12])
    assert (done.accepted, done.summary.published_rows) == (True, 2)
    assert site.rejected_files() == []
    assert (site.landing / "bad;name.csv").exists()  # where it came from
    assert site.ingest().published_rows == 0
    (decision,) = site.journal.decisions("weather", DecisionKind.READMISSION)
    assert (decision.accepted, decision.reasons, decision.run.started_by) == (True, ("c is a kind now",), "ada")
    with pytest.raises(DataError, match=r"no rejected file of batch .* is kept; there are"):
        whole(site, batch)


def test_readmit_file_still_bad_stays_in_quarantine_with_its_reasons(site: Site) -> None:
    batch = reject(site)
    done = whole(site, batch)
    assert not done.accepted
    assert "2 of 2 rows are bad" in done.reasons[1]
    assert len(site.rejected_files()) == 1
    assert list(site.landing.iterdir()) == []
    assert not site.journal.decisions("weather", DecisionKind.READMISSION)[0].accepted


def test_readmit_file_where_another_lies_now_lands_beside_it(site: Site) -> None:
    batch = reject(site)
    mend(site)
    site.land("bad;name.csv", tiny_csv([(5, 1.5, "a")]))
    assert whole(site, batch).accepted
    assert sorted(path.name for path in site.landing.iterdir()) == [f"{batch[:12]}_bad_name.csv", "bad;name.csv"]
    site.ingest()
    assert site.dataset.count() == 3


def test_readmit_file_damaged_in_quarantine_is_refused(site: Site) -> None:
    batch = reject(site)
    (kept,) = Path(site.home.quarantined_files_of("weather")).iterdir()
    kept.write_bytes(b"Time,x,kind\n")
    with pytest.raises(IntegrityError, match="not the bytes that were rejected"):
        whole(site, batch)


def test_readmit_file_name_no_longer_taken_says_so(site: Site) -> None:
    batch = reject(site)
    source = site.model.source.model_copy(update={"patterns": ("*.txt",)})
    site.model = site.model.model_copy(update={"source": source})
    with pytest.raises(DataError, match=r"its name is not one of source\.patterns \['\*\.txt'\]"):
        whole(site, batch)
    assert list(site.landing.iterdir()) == []
    with pytest.raises(ConfigError, match="no reason given"):
        whole(site, batch, reason="")


def test_readmit_raw_text_in_the_commit_is_json(site: Site, batch: str) -> None:
    readmit(site, batch, rows=[7], edits={7: {"x": "9"}})
    (said,) = [commit["readmits"] for commit in site.dataset.snapshot().table.history() if "readmits" in commit]
    assert json.loads(said) == {"batch": batch, "rows": [7], "reasons": ["sensor read out again"]}
