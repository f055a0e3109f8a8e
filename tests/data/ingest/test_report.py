"""The report page says what was wrong, and harms nobody who opens it."""

import re
from pathlib import Path

import pytest

from almanac.data.ingest.report import harmless
from tests.data.installation import Site, tiny_csv


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|x", "'+cmd|x"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("-9999", "-9999"),
        ("+1.5", "+1.5"),
        ("<b>", "<b>"),
        (None, ""),
        (7, "7"),
    ],
)
def test_harmless(cell: object, shown: str) -> None:
    assert harmless(cell) == shown


def test_report_shows_counts_examples_and_advice_escaped(site: Site) -> None:
    rows = [*((hour, 1.5, "a") for hour in range(6)), (6, "=cmd()", "<script>alert(1)</script>"), (7, 99, "a")]
    site.land("<img src=x>.csv", tiny_csv(rows))
    site.ingest()
    (record,) = site.journal.batches("weather")
    page = Path(record.report_uri).read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    assert "&#39;=cmd()" in page
    assert "&lt;script&gt;" in page
    assert re.search(r'x.range</td><td class="wrap">between 0 and 10</td><td>1</td>', page)
    assert "Examples (2 of 2 bad rows)" in page
    assert "The good rows are published" in page
    assert "http" not in page, "the page needs nothing from elsewhere"


def test_report_shows_twenty_examples_at_most(site: Site) -> None:
    site.land(
        "a.csv", tiny_csv([*((hour, 1.5, "a") for hour in range(40)), *((hour, 99, "a") for hour in range(40, 70))])
    )
    site.ingest()
    (record,) = site.journal.batches("weather")
    page = Path(record.report_uri).read_text("utf-8")
    assert "Examples (20 of 30 bad rows)" in page
    assert page.count('<td class="left beyond">99</td>') == 20


def test_report_of_rejected_file_says_what_to_do(site: Site) -> None:
    site.land("a.csv", tiny_csv([(0, 1.5, "a")]).replace("x", "y", 1))
    site.ingest()
    (record,) = site.journal.batches("weather")
    page = Path(record.report_uri).read_text("utf-8")
    assert "required column missing: x" in page
    assert "Nothing of this file was published. Its bytes are kept in quarantine." in page
    assert 'class="verdict rejected"' in page


def test_report_is_not_written_for_a_good_batch(site: Site) -> None:
    site.land("a.csv", tiny_csv([(0, 1.5, "a")]))
    site.ingest()
    assert site.journal.batches("weather")[0].report_uri == ""
    assert not Path(site.home.reports).exists()


def test_suite_result_stands_beside_the_report_for_data_docs(site: Site) -> None:
    import json

    site.land("a.csv", tiny_csv([(0, 1.5, "a"), (1, 99, "a"), (2, 1.5, "a")]))
    site.ingest()
    (record,) = site.journal.batches("weather")
    result = json.loads(Path(record.report_uri.removesuffix(".html") + ".validation.json").read_text("utf-8"))
    assert result["success"] is False
    assert result["statistics"]["unsuccessful_expectations"] == 1


def test_report_draws_failing_columns_with_their_limits(site: Site) -> None:
    rows = [*((hour, hour % 9, "a") for hour in range(20)), (20, 99, "a"), (21, "n/a", "c"), (22, 1, "c")]
    site.land("a.csv", tiny_csv(rows))
    site.ingest()
    (record,) = site.journal.batches("weather")
    page = Path(record.report_uri).read_text("utf-8")
    assert page.count('<svg class="chart"') == 2, "one for x and one for kind; Time broke nothing"
    assert "20 good values, 2 bad. Expected: a finite number; never empty; between 0 and 10." in page
    assert "1 of the bad cells are no value at all and not shown: &#39;n/a&#39; × 1." in page
    assert page.count('class="edge"') == 2
    assert "<title>c: 0 good, 2 bad</title>" in page
