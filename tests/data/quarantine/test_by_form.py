"""What the form of `readmit_<model>` says is done, and its end is plain JSON for XCom."""

import json
from typing import Any

import pytest

from almanac.data.quarantine.readmit_by_form import raise_refusals, readmit_by_form
from almanac.errors import ConfigError, DataError
from tests.data.installation import NOW, RUN, Site, tiny_csv

FORM: dict[str, Any] = {"rows": None, "edits": None, "whole_file": False, "reason": "gauge read again"}
ROWS = [*((hour, 1.5, "a") for hour in range(6)), (6, 99, "a"), (7, "wet", "b")]


def fill_in(site: Site, **form: Any) -> dict[str, Any]:
    summary = readmit_by_form(site.model, site.home, site.journal, {**FORM, **form}, RUN, lambda: NOW)
    assert json.loads(json.dumps(summary)) == summary
    return summary


def test_readmit_by_form_rows_and_edits(site: Site) -> None:
    site.land("a.csv", tiny_csv(ROWS))
    site.ingest()
    batch = str(site.quarantined()["batch"][0])
    summary = fill_in(site, batch=batch[:8], edits={"7": {"x": 9.5}})
    assert (summary["batch"], summary["published_rows"]) == (batch, 1)
    assert summary["refusals"] == ["row 8 still breaks x.type"]
    assert summary["dataset_version"] == site.dataset.version()
    with pytest.raises(DataError, match=r"refused, and still in quarantine.*\nrow 8 still breaks x.type"):
        raise_refusals(site.model, summary["refusals"])
    assert fill_in(site, batch=batch[:8], rows=[7])["already"] == 1
    fill_in(site, batch=batch[:8], edits={"8": {"x": "1"}})
    assert fill_in(site, batch=batch[:8])["dataset_version"] is None  # nothing is left, and nothing is wrong
    raise_refusals(site.model, [])


def test_readmit_by_form_whole_file_refused_says_why(site: Site) -> None:
    site.land("a.csv", "Time,y\n")
    site.ingest()
    (record,) = site.journal.batches("weather")
    summary = fill_in(site, batch=record.batch_id[:12], whole_file=True)
    assert "required column missing" in summary["refusals"][0]
    assert summary["dataset_version"] is None


def test_readmit_by_form_whole_file_with_edits_is_refused(site: Site) -> None:
    with pytest.raises(ConfigError, match="a rejected file is readmitted unchanged"):
        fill_in(site, batch="ab", whole_file=True, rows=[7])
