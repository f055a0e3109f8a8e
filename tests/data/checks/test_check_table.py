"""The declared suite on a table that lies anywhere: read only, with a verdict, a report and the bad rows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from deltalake import write_deltalake

from almanac.data.checks.check_table import FailedCheckError, TableVerdict, check_table
from almanac.data.checks.table_source import TableSource
from almanac.errors import ConfigError, DataError
from almanac.pages.report_files import has_data_docs, read_report
from tests.data.installation import NOW, RUN, START, Site, tiny_csv

GOOD = [(hour, 1, "a") for hour in range(4)]


def warehouse(path: Path, rows: list[tuple[int, float, str]], **more: Any) -> str:
    """A table of somebody else's, with a column that nobody declared."""
    frame = pl.DataFrame(
        {
            "Time": [START + timedelta(hours=hour) for hour, *_ in rows],
            "x": [float(x) for _, x, _ in rows],
            "kind": [kind for *_, kind in rows],
            "loaded_by": ["nightly"] * len(rows),
        }
    )
    write_deltalake(str(path), frame.to_arrow(compat_level=pl.CompatLevel.oldest()), **more)
    return str(path)


def check(site: Site, source: TableSource, **more: Any) -> TableVerdict:
    return check_table(site.model, site.home, source, run=RUN, now=NOW, **more)


def everything_below(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_check_file_that_keeps_the_rules_passes_without_a_report(site: Site, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(tiny_csv(GOOD))
    verdict = check(site, TableSource(str(tmp_path / "x.csv")))
    assert (verdict.passed, verdict.rows, verdict.good_rows, verdict.bad_rows) == (True, 4, 4, 0)
    assert (verdict.report_uri, verdict.version, verdict.broken_rules) == ("", None, {})
    verdict.require()


def test_check_delta_table_reads_it_at_its_version_and_changes_nothing(site: Site, tmp_path: Path) -> None:
    uri = warehouse(tmp_path / "table", GOOD)
    warehouse(tmp_path / "table", [(9, 99, "a"), (10, 99, "a"), (11, 99, "b")], mode="append")
    before = everything_below(tmp_path / "table")
    old, new = check(site, TableSource(uri, version=0)), check(site, TableSource(uri), max_bad_share=0.1)
    assert (old.passed, old.version, old.rows) == (True, 0, 4)
    assert (new.passed, new.version, new.rows, new.bad_rows) == (False, 1, 7, 3)
    assert new.broken_rules == {"x.range": 3}
    assert everything_below(tmp_path / "table") == before
    assert site.dataset.exists() is False
    assert site.journal.batches(site.model.name) == []


def test_check_of_a_range_sees_only_its_rows(site: Site, tmp_path: Path) -> None:
    uri = warehouse(tmp_path / "table", [*GOOD, (9, 99, "a")])
    inside = TableSource(uri, since=START + timedelta(hours=1), until=START + timedelta(hours=9))
    assert (check(site, inside).rows, check(site, inside).bad_rows) == (3, 0)
    assert check(site, TableSource(uri, since=START + timedelta(hours=9))).bad_rows == 1


def test_check_declared_limit_decides_unless_another_is_given(site: Site, tmp_path: Path) -> None:
    uri = warehouse(tmp_path / "table", [*GOOD, (9, 99, "a")])
    assert check(site, TableSource(uri)).passed  # 20 % are bad, half of them may be
    assert not check(site, TableSource(uri), max_bad_share=0.0).passed


def test_check_that_fails_says_why_where_and_what_was_got(site: Site, tmp_path: Path) -> None:
    uri = warehouse(tmp_path / "table", [*GOOD, (9, 99, "<b>c")])
    verdict = check(site, TableSource(uri), max_bad_share=0.0, quarantine_to=str(tmp_path / "bad"))
    with pytest.raises(FailedCheckError, match=r"table: does not keep the rules of weather: 1 of 5 rows are bad .*"):
        verdict.require()
    bad = pl.read_parquet(verdict.quarantine_uri)
    assert verdict.quarantine_uri.startswith(str(tmp_path / "bad"))
    assert bad["row"].to_list() == [5]
    assert set(bad["rules"].to_list()[0]) == {"x.range", "kind.values"}
    name = verdict.report_uri.rsplit("/", 1)[-1]
    page = read_report(site.home, "weather", name)
    assert "Failed: the table does not keep the declared rules" in page
    assert "Nothing was published" in page
    assert verdict.quarantine_uri in page
    assert "&lt;b&gt;c" in page
    assert "<b>c" not in page
    assert has_data_docs(site.home, "weather", name)
    assert verdict.to_json()["reasons"]


def test_check_against_the_dataset_finds_what_contradicts_it(site: Site, tmp_path: Path) -> None:
    site.land("1.csv", tiny_csv(GOOD))
    site.ingest()
    (tmp_path / "x.csv").write_text(tiny_csv([(0, 2, "a"), (5, 1, "a")]))
    source = TableSource(str(tmp_path / "x.csv"))
    assert check(site, source).bad_rows == 0
    assert check(site, source, against_dataset=True).broken_rules == {"key.conflict_with_dataset": 1}


def test_check_typed_table_does_not_read_the_notation_of_the_files(site: Site, tmp_path: Path) -> None:
    columns = dict(site.model.dataset.columns)
    columns["x"] = columns["x"].model_copy(update={"decimal": ",", "from_": ("X value",)})
    dataset = site.model.dataset.model_copy(update={"columns": columns})
    site.model = site.model.model_copy(update={"dataset": dataset})
    assert check(site, TableSource(warehouse(tmp_path / "table", [(0, 1.5, "a")]))).bad_rows == 0


def test_check_without_rows_passes_and_says_so(site: Site, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(tiny_csv([]))
    verdict = check(site, TableSource(str(tmp_path / "x.csv")))
    assert verdict.passed
    assert "no rows" in verdict.warnings


def test_check_of_nothing_is_refused(site: Site, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for missing in (tmp_path / "none", tmp_path / "folder"):
        with pytest.raises(DataError, match="nothing to check; got neither a file nor a Delta table"):
            check(site, TableSource(str(missing)))


def test_check_of_a_file_refuses_version_and_range(site: Site, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(tiny_csv(GOOD))
    for more in ({"version": 3}, {"since": START}, {"until": START}):
        with pytest.raises(ConfigError, match="a file has no versions, and is checked whole"):
            check(site, TableSource(str(tmp_path / "x.csv"), **more))


def test_check_of_a_range_without_times_is_refused(site: Site, tmp_path: Path) -> None:
    frame = pl.DataFrame({"Time": ["2021-01-01T00:00:00Z"], "x": [1.0], "kind": ["a"]})
    write_deltalake(str(tmp_path / "t"), frame.to_arrow(compat_level=pl.CompatLevel.oldest()))
    with pytest.raises(DataError, match=r"a range of time needs the column 'Time' of weather; got String"):
        check(site, TableSource(str(tmp_path / "t"), since=START))


def test_check_share_beyond_one_is_refused(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_bad_share: got 5, expected a share from 0 to 1"):
        check(site, TableSource(str(tmp_path)), max_bad_share=5)


def test_check_missing_column_names_it(site: Site, tmp_path: Path) -> None:
    write_deltalake(str(tmp_path / "t"), pl.DataFrame({"Time": [START]}).to_arrow(compat_level=pl.CompatLevel.oldest()))
    with pytest.raises(DataError, match="kind"):
        check(site, TableSource(str(tmp_path / "t")))
