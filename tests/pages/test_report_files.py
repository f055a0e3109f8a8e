"""Report pages are found by their names, wherever they are kept."""

from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.pages.report_files import UnknownPageError, data_docs, kind_of, list_reports, read_report
from almanac.storage.files import write_bytes
from tests.servers.stores import Store


@pytest.mark.parametrize(
    ("name", "kind"),
    [("0123456789ab_a.csv.html", "batch"), ("monitor_2026-01-01_version_1.html", "monitor"), ("drill.html", "drill")],
)
def test_kind_of(name: str, kind: str) -> None:
    assert kind_of(name) == kind


def test_reports_of_an_object_store_are_listed_and_read(any_store: Store, tmp_path: Path) -> None:
    home = Home(home=tmp_path, reports=f"{any_store.uri}/reports")
    write_bytes(f"{home.reports_of('weather')}/monitor_a.html", b"<p>here</p>")
    write_bytes(f"{home.reports_of('weather')}/0123456789ab_a.csv.validation.json", b"{}")
    assert [report.name for report in list_reports(home, "weather")] == ["monitor_a.html"]
    assert read_report(home, "weather", "monitor_a.html") == "<p>here</p>"
    with pytest.raises(UnknownPageError, match=r"b.html: there is no such page of weather"):
        read_report(home, "weather", "b.html")


def test_data_docs_without_a_broken_rule_says_so(tmp_path: Path) -> None:
    home = Home(home=tmp_path)
    write_bytes(f"{home.reports_of('weather')}/0123456789ab_a.csv.validation.json", b"{}")
    with pytest.raises(UnknownPageError, match="has no results for the rows"):
        data_docs(home, "weather", "0123456789ab_a.csv.html")


def test_symbolic_link_is_never_followed(tmp_path: Path) -> None:
    home = Home(home=tmp_path)
    write_bytes(f"{tmp_path}/secret.html", b"the secret")
    Path(home.reports_of("weather")).mkdir(parents=True)
    (Path(home.reports_of("weather")) / "a.html").symlink_to(tmp_path / "secret.html")
    with pytest.raises(UnknownPageError, match=r"a.html: not a regular file; symbolic links"):
        read_report(home, "weather", "a.html")
