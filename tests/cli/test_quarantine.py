"""`almanac quarantine` on a real installation: list, show, export, repair, readmit."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.errors import DataError
from tests.data.installation import Site

HEAD = "Timestamp,Location,Temperature_C,Apparent_Temperature_C,Humidity,Wind_speed_kmph,Wind_bearing_degrees"
HEAD += ",Visibility_km,Pressure_millibars,Weather_conditions"


def line(hour: int, humidity: str, place: str = "Port") -> str:
    return f"2021-01-01T{hour:02}:00:00Z,{place},1.5,1.0,{humidity},10,90,10,1000,rain"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    return Site(tmp_path, find_model(MODELS_FOLDER, "weather"))


@pytest.fixture
def batch(site: Site) -> str:
    site.land(
        "a.csv", "\n".join([HEAD, line(0, "0.5"), line(1, "0.6"), line(2, "8"), line(3, "wet", "=1+1\x1b[2J"), ""])
    )
    site.ingest()
    return str(site.quarantined()["batch"][0])[:12]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", *arguments], env={"COLUMNS": "200"})


def test_list_counts_by_batch_and_rule_and_names_rejected_files(site: Site, batch: str) -> None:
    site.land("b.csv", "")
    site.ingest()
    output = run("list").output
    assert f"weather  {batch}  2 rows  a.csv" in output
    assert re.search(r"1  Humidity\.range", output)
    assert "rejected file  b.csv" in output
    assert run("list", "weather").output == output
    found = json.loads(run("list", "--json").output)
    (rows,), (file,) = found["batches"], found["rejected_files"]
    assert (rows["batch"][:12], rows["rows"], rows["rules"]["Humidity.range"]) == (batch, 2, 1)
    assert file["name"] == "b.csv"
    shown = json.loads(run("show", "weather", batch, "--limit", "1", "--json").output)
    assert (shown["rows"][0]["rules"], shown["rows_in_all"]) == (["Humidity.range"], 2)
    (reasons,) = json.loads(run("show", "weather", file["batch"], "--json").output)["rejected_files"].values()
    assert "empty" in reasons[0]


def test_list_empty_says_so(site: Site) -> None:
    assert run("list").output == "Quarantine is empty.\n"


def test_show_gives_raw_rows_with_rules_and_nothing_that_moves_the_cursor(site: Site, batch: str) -> None:
    output = run("show", "weather", batch).output
    assert "row 3  Humidity.range" in output
    assert '"Humidity":"wet"' in output
    assert "\x1b" not in output
    assert "1 more rows; --limit shows them" in run("show", "weather", batch, "--limit", "1").output
    assert "row 3" not in run("show", "weather", batch, "--row", "4").output


def test_show_rejected_file_gives_the_reasons(site: Site) -> None:
    site.land("b.csv", "")
    site.ingest()
    (record,) = site.journal.batches("weather")
    output = run("show", "weather", record.batch_id[:8]).output
    assert "empty file; got 0 bytes" in output


def test_show_unknown_batch_is_refused(site: Site) -> None:
    result = run("show", "weather", "ffff")
    assert result.exit_code == 2
    assert "no such batch" in result.output


def test_export_repair_readmit(site: Site, batch: str, tmp_path: Path) -> None:
    to = tmp_path / "repair.csv"
    assert f"2 rows written to {to}" in run("export", "weather", batch, "--to", str(to)).output
    text = to.read_text("utf-8-sig")
    assert "'=1+1" in text
    to.write_text(text.replace("wet", "0.7").replace(",8,", ",0.8,"), "utf-8")
    result = run("readmit", "weather", "--file", str(to), "--reason", "gauge read again")
    assert result.exit_code == 0, result.output
    assert f"batch {batch}: 2 rows published, 0 dropped" in result.output
    assert site.dataset.read(columns=["Humidity"])["Humidity"].to_list() == [0.5, 0.6, 0.8, 0.7]
    assert site.dataset.read(columns=["Location"])["Location"].to_list()[3] == "=1+1\x1b[2J"  # as it came
    assert "2 readmitted before" in run("readmit", "weather", "--file", str(to), "--reason", "again").output
    assert "exists already" in run("export", "weather", batch, "--to", str(to)).output or site.quarantined().is_empty()


def test_export_never_overwrites(site: Site, batch: str, tmp_path: Path) -> None:
    to = tmp_path / "mine.csv"
    to.write_text("precious")
    result = run("export", "weather", batch, "--to", str(to))
    assert result.exit_code == 2
    assert to.read_text() == "precious"


def test_readmit_one_row_with_an_edit_and_a_refusal(site: Site, batch: str) -> None:
    result = run("readmit", "weather", batch, "--set", "3:Humidity=0.8", "--reason", "gauge read again")
    assert result.exit_code == 1
    assert "1 rows published" in result.output
    assert "row 4 still breaks Humidity.type" in result.output
    assert site.quarantined()["row"].to_list() == [4]


def test_readmit_whole_file_refused_again(site: Site) -> None:
    site.land("b.csv", HEAD.replace("Humidity", "Moisture") + "\n")
    site.ingest()
    (record,) = site.journal.batches("weather")
    result = run("readmit", "weather", record.batch_id[:12], "--whole", "--reason", "try")
    assert result.exit_code == 1
    assert "required column missing: Humidity" in result.output


def test_readmit_whole_file_after_the_declaration_was_corrected(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.land("b.csv", "\n".join([HEAD, line(0, "80"), line(1, "70"), ""]))
    site.ingest()
    (record,) = site.journal.batches("weather")
    models = tmp_path / "models"
    models.mkdir()
    for path in MODELS_FOLDER.glob("*.yaml"):
        (models / path.name).write_text(path.read_text("utf-8").replace("max: 1.0", "max: 100"), "utf-8")
    monkeypatch.setenv("ALMANAC_MODELS", str(models))
    result = run("readmit", "weather", record.batch_id[:12], "--whole", "--reason", "percent now")
    assert result.exit_code == 0, result.output
    assert "2 rows published, 0 in quarantine" in result.output


@pytest.mark.parametrize(
    "arguments", [(), ("abc", "--file", "x.csv"), ("abc", "--whole", "--row", "1"), ("--file", "x", "--set", "1:x=1")]
)
def test_readmit_contradicting_options_are_refused(site: Site, arguments: tuple[str, ...]) -> None:
    result = run("readmit", "weather", *arguments, "--reason", "why")
    assert result.exit_code == 2
    assert "give a batch" in result.output


def test_readmit_start_of_no_batch_or_of_two_is_refused(site: Site, batch: str) -> None:
    result = run("readmit", "weather", "zz", "--reason", "why")
    assert isinstance(result.exception, DataError)
    assert "no batch starts with 'zz'" in str(result.exception)
