"""A rejected file that is readmitted is checked again as it came, and published once."""

from pathlib import Path

import pytest

from almanac.data.quarantine.readmit_file import ReadmittedFile, readmit_file
from almanac.errors import ConfigError, DataError, IntegrityError
from almanac.journal.records import DecisionKind
from tests.data.installation import NOW, Site, tiny_csv
from tests.data.quarantine.repaired import ADA, let_c_be_a_kind


def reject(site: Site) -> str:
    site.land("bad;name.csv", tiny_csv([(0, 1.5, "c"), (1, 1.5, "c")]))
    (rejected,) = site.ingest().rejected
    return next(one.batch_id for one in site.journal.batches("weather") if one.uri == rejected.uri)


def whole(site: Site, batch: str, reason: str = "c is a kind now") -> ReadmittedFile:
    return readmit_file(site.model, site.home, site.journal, batch, run=ADA, reason=reason, clock=lambda: NOW)


def test_readmit_file_after_the_declaration_was_corrected_is_published_once(site: Site) -> None:
    batch = reject(site)
    let_c_be_a_kind(site)
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
    let_c_be_a_kind(site)
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
