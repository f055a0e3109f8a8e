"""Repaired rows pass the same checks as all others: which are published, which refused, and why."""

from typing import Any

import pytest
import yaml

from almanac.config.home import MODELS_FOLDER
from almanac.data.quarantine.readmission import Readmitter
from almanac.errors import ConfigError, DataError
from almanac.journal.records import DecisionKind
from tests.data.installation import START, Site, tiny_csv, tiny_dataset
from tests.data.quarantine.repaired import ADA, ROWS, let_c_be_a_kind, published, readmit


def test_readmit_repaired_rows_are_published_and_leave_quarantine(site: Site, batch: str) -> None:
    done = readmit(site, batch, rows=[7, 8], edits={7: {"x": "9.9"}, 8: {"x": "12.5e-1"}})
    assert (done.published, done.refused) == ((7, 8), ())
    assert done.dataset_version == site.dataset.version()
    assert published(site) == [(6, 9.9), (7, 1.25)]
    assert site.quarantined()["row"].to_list() == [9]


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


def test_readmit_row_of_a_published_key_is_refused_and_an_equal_one_dropped(site: Site, batch: str) -> None:
    time = START.isoformat()
    done = readmit(
        site, batch, rows=[7, 8], edits={7: {"Time": time, "x": "2"}, 8: {"Time": time, "x": "1.5", "kind": "a"}}
    )
    assert done.refused == ((7, ("key.conflict_with_dataset",)),)
    assert done.dropped == (8,)
    assert site.dataset.count() == 6
    assert site.quarantined()["row"].to_list() == [7, 9]


def test_readmit_after_the_declaration_was_corrected_needs_no_edit(site: Site, batch: str) -> None:
    let_c_be_a_kind(site)
    done = readmit(site, batch)
    assert (done.published, [row for row, _ in done.refused]) == ((9,), [7, 8])


def test_readmit_record_that_had_not_the_columns_is_given_them(site: Site) -> None:
    site.land("a.csv", tiny_csv([(0, 1.5, "a"), (1, 1.5, "a")]) + "2021-01-01T02:00:00Z,1;5,a,oops\n")
    site.ingest()
    (batch,) = site.quarantined()["batch"]
    assert site.quarantined()["row"].to_list() == [3]
    with pytest.raises(DataError, match=r"rows \[3\] are empty after the edits"):
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


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"rows": [1]}, r"has no quarantined rows \[1\]; it has \[7, 8, 9\]"),
        ({"rows": [7], "edits": {8: {"x": "1"}}}, r"rows \[8\] are edited but not among the rows to readmit, \[7\]"),
        ({"edits": {7: {"y": "1"}}}, r"row 7 has no columns \['y'\]; it has \['Time', 'x', 'kind'\]"),
        ({"edits": {7: {"Time": None, "x": None, "kind": None}}}, r"rows \[7\] are empty after the edits"),
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
