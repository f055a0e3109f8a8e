"""Deliveries of a table without a time: the newest state of a key wins, rows without a key are appended."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from almanac.config.grammar.arrival_columns import ARRIVAL, ARRIVAL_ROW
from almanac.data.ingest.sample_file import write_sample
from almanac.errors import ConfigError
from almanac.journal.records import BatchState
from tests.data.installation import NOW, Site
from tests.data.quarantine.repaired import readmit
from tests.training.arrivals import FIRST, PATIENTS, as_csv, make_patients, patients_model

LATER = FIRST + timedelta(days=30)
PATIENTS_40 = make_patients(40)
OPTIONAL = {"key": [], "group": ["patient"]}


@pytest.fixture(name="site")
def _site(tmp_path: Path) -> Site:
    return Site(tmp_path, patients_model())


def deliver(site: Site, name: str, frame: pl.DataFrame, at):
    site.land(name, as_csv(frame))
    return site.ingest(now=at)


def test_delivery_arrives_at_the_time_of_its_ingest(site: Site) -> None:
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    rows = site.dataset.read()
    assert rows[ARRIVAL].unique().to_list() == [FIRST]
    assert rows.drop(ARRIVAL).equals(PATIENTS_40)


def test_delivery_of_a_newer_state_replaces_the_row_and_the_older_version_stays(site: Site) -> None:
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    changed = PATIENTS_40.with_columns(age=pl.when(pl.col("patient") == 7).then(99).otherwise("age"))
    summary = deliver(site, "b.csv", changed.head(10), LATER)
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (1, 9, 0)
    newest = site.dataset.read()
    assert newest.height == 40
    assert newest.filter(pl.col("patient") == 7).select("age", ARRIVAL).row(0) == (99, LATER)
    assert newest[ARRIVAL].value_counts(sort=True).row(0) == (FIRST, 39)
    before = site.dataset.read(version=0).filter(pl.col("patient") == 7)["age"].item()
    assert before == PATIENTS_40["age"][6]


def test_delivery_that_brings_nothing_is_unchanged(site: Site) -> None:
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    summary = deliver(site, "b.csv", PATIENTS_40.sort("patient", descending=True), LATER)
    assert (summary.unchanged, summary.published_rows, site.dataset.version()) == (1, 0, 0)


def test_delivery_with_two_states_of_one_key_quarantines_both(site: Site) -> None:
    twice = pl.concat([PATIENTS_40, PATIENTS_40.head(1).with_columns(age=pl.lit(20, pl.Int64))])
    assert deliver(site, "a.csv", twice, FIRST).quarantined_rows == 2


def test_delivery_without_a_key_is_appended_with_its_copies(tmp_path: Path) -> None:
    site = Site(tmp_path, patients_model(dataset={"key": []}))
    deliver(site, "a.csv", pl.concat([PATIENTS_40, PATIENTS_40.head(5)]), FIRST)
    summary = deliver(site, "b.csv", PATIENTS_40.tail(30), LATER)
    assert (summary.published_rows, summary.dropped_rows) == (30, 0)
    rows = site.dataset.read()
    assert (rows.height, rows[ARRIVAL_ROW].n_unique()) == (75, 75)
    assert rows.drop(ARRIVAL, ARRIVAL_ROW).head(45).equals(pl.concat([PATIENTS_40, PATIENTS_40.head(5)]))


def test_delivery_of_the_same_bytes_is_appended_once(tmp_path: Path) -> None:
    site = Site(tmp_path, patients_model(dataset={"key": []}))
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    assert deliver(site, "b.csv", PATIENTS_40, LATER).duplicates == 1
    assert site.dataset.count() == 40


@pytest.mark.parametrize("kind", ["csv", "json_lines", "parquet"])
def test_delivery_may_lack_an_optional_column(tmp_path: Path, kind: str) -> None:
    model = patients_model(
        dataset={"key": [], "group": ["patient"]}, source={"patterns": ["*"], "format": {"kind": kind}}
    )
    site, unlabelled = Site(tmp_path, model), PATIENTS_40.drop("ill")
    path = site.landing / "a"
    write = {"csv": unlabelled.write_csv, "json_lines": unlabelled.write_ndjson, "parquet": unlabelled.write_parquet}
    write[kind](path)
    assert site.ingest(now=FIRST).published_rows == 40
    assert site.dataset.read()["ill"].null_count() == 40
    record = site.journal.batches(model.name)[0]
    assert record.state is BatchState.PUBLISHED
    if kind != "json_lines":  # whose records leave out what is empty in any case
        assert "schema: ill is not in the file: its cells are empty" in record.warnings


def test_delivery_without_a_column_that_is_not_optional_is_rejected(site: Site) -> None:
    (rejected,) = deliver(site, "a.csv", PATIENTS_40.drop("glucose"), FIRST).rejected
    assert "required column missing: glucose" in rejected.reasons[0]


def test_delivery_without_labels_is_no_skew(tmp_path: Path) -> None:
    """Else each file of patients who are to be judged would be rejected: usually labels are there."""
    site = Site(tmp_path, patients_model(dataset=OPTIONAL))
    deliver(site, "a.csv", make_patients(300), FIRST)
    summary = deliver(site, "b.csv", make_patients(300, seed=2, first=301).drop("ill"), LATER)
    assert (summary.rejected, summary.published_rows) == ((), 300)


def test_delivery_is_compared_with_all_deliveries_of_the_history(tmp_path: Path) -> None:
    """Of another season, too: without a time there is none."""
    site = Site(tmp_path, patients_model(dataset=OPTIONAL))
    deliver(site, "a.csv", make_patients(300), FIRST)
    in_half_a_year = make_patients(300, seed=2, first=301).with_columns(pl.col("glucose") / 18)
    record = deliver(site, "b.csv", in_half_a_year, FIRST + timedelta(days=180))
    assert record.published_rows == 300
    assert any("glucose.shift" in text for text in site.journal.batches(site.model.name, limit=2)[0].warnings)


def test_second_header_in_a_file_without_a_time_is_found(site: Site) -> None:
    other = "ward,patient,age,pressure,glucose,ill\n"
    site.land("a.csv", as_csv(PATIENTS_40) + other + "north,99,30,120,100,no\n")
    (rejected,) = site.ingest(now=FIRST).rejected
    assert "is a second header" in rejected.reasons[0]


def test_delivery_arrives_in_a_whole_second_which_ids_of_predictions_name(site: Site) -> None:
    deliver(site, "a.csv", PATIENTS_40, FIRST + timedelta(microseconds=123_456))
    assert site.dataset.read()[ARRIVAL].unique().to_list() == [FIRST]


@pytest.mark.parametrize("key", [["patient"], []])
def test_sample_of_rows_without_a_time_is_published_as_new_rows(tmp_path: Path, key: list[str]) -> None:
    site = Site(tmp_path, patients_model(dataset={"key": key}))
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    made = write_sample(site.model, site.dataset.read(), tmp_path / "made", now=LATER)
    assert "_arrival" not in made.read_text("utf-8")
    made.rename(site.landing / made.name)
    assert site.ingest(now=LATER).published_rows == 40
    assert site.dataset.count() == 80


def test_sample_of_keys_with_rules_is_refused(tmp_path: Path) -> None:
    columns = {**yaml.safe_load(PATIENTS)["dataset"]["columns"], "patient": {"type": "integer", "max": 99}}
    site = Site(tmp_path, patients_model(dataset={"columns": columns}))
    deliver(site, "a.csv", PATIENTS_40, FIRST)
    with pytest.raises(ConfigError, match="no new key can be made up where patient has rules"):
        write_sample(site.model, site.dataset.read(), tmp_path / "made", now=LATER)


def test_row_that_is_repaired_arrives_when_it_is_readmitted(site: Site) -> None:
    bad = PATIENTS_40.with_columns(age=pl.when(pl.col("patient") == 7).then(500).otherwise("age"))
    assert deliver(site, "a.csv", bad, FIRST).quarantined_rows == 1
    (row,) = site.quarantined().iter_rows(named=True)
    assert ARRIVAL not in row["raw"]
    done = readmit(site, row["batch"], edits={row["row"]: {"age": "50"}})
    assert done.published == (7,)
    assert site.dataset.read().filter(pl.col("patient") == 7).select("age", ARRIVAL).row(0) == (50, NOW)
