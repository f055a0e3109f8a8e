"""The dirty files and the verdicts that they must get, as far as checks of single files go."""

import gzip
import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from almanac.config.schema import Model
from tests.data.installation import Site
from tests.data.real_data import REAL_DATA

DIRTY = REAL_DATA / "dirty"
EXPECTED = DIRTY / "expected.json"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not EXPECTED.exists(), reason="needs the folder of real data: set ALMANAC_REAL_DATA"),
]

# file -> what must be said about it
SAID = {
    "00_clean.csv": None,
    "01_utf8_bom.csv": r"byte-order mark stripped",
    "02_semicolon_decimal_comma.csv": r"wrong delimiter; got ';'",
    "04_truncated_last_line.csv": r"incomplete file: its last record is short and has no line end",
    "05_missing_column.csv": r"required column missing: Pressure_millibars",
    "06_extra_column.csv": r"unknown column dropped: Sensor_id",
    "09_no_header.csv": r"header is data",
    "10_wrong_dtype.csv": r"^Temperature_C.type: 36$",
    "11_nan_flood.csv": r"432 of 720 rows are bad \(60.0%\).*Humidity.null 432",
    "12_exact_duplicates.csv": r"dropped: 720$",
    "14_future_timestamps.csv": r"^Timestamp.future: 24$",
    "17_empty.csv": r"empty file",
    "18_header_only.csv": None,
    "20_other_schema.parquet": r"got the first bytes of Parquet",
    "23_fahrenheit.csv": r"Temperature_C.range",
    "26_dst_naive_local.csv": r"timestamp without offset",
    "30_nul_bytes.csv": r"NUL byte",
    "32_real_stuck_zero_2014-12.csv": r"^Pressure_millibars.range: 237$",
    "33_inf_overflow_sentinel.csv": r"^(Temperature_C|Wind_speed_kmph).(type|range)",
}
WHOLE_FILE_REJECTED = {"30_nul_bytes.csv"}  # allowed instead of quarantining the one torn record


# The control itself, June 2012, holds 78 hours of a dead pressure sensor, which `expected.json` does not count. So the
# limits of pressure are on only where it says that they must fire.
PRESSURE_CHECKED = {"32_real_stuck_zero_2014-12.csv"}


def _contract(name: str, weather: Model) -> Model:
    columns = dict(weather.dataset.columns)
    if name not in PRESSURE_CHECKED:
        columns["Pressure_millibars"] = columns["Pressure_millibars"].model_copy(update={"min": None, "max": None})
    dataset = weather.dataset.model_copy(update={"columns": columns})
    return weather.model_copy(update={"dataset": dataset})


def _expected(name: str) -> dict[str, object]:
    (case,) = (case for case in json.loads(EXPECTED.read_text("utf-8")) if case["file"] == name)
    return dict(case)


@pytest.mark.parametrize("name", SAID)
def test_dirty_file_gets_its_verdict(name: str, tmp_path: Path, weather: Model) -> None:
    case = _expected(name)
    site = Site(tmp_path, _contract(name, weather))
    landed = site.landing / Path(name).with_suffix(".csv").name
    shutil.copyfile(DIRTY / name, landed)
    summary = site.ingest(now=datetime.fromtimestamp(landed.stat().st_mtime, UTC) + timedelta(seconds=10))
    records = site.journal.batches("weather")
    verdict, lines = "retry", [*summary.waiting]
    if records:
        (record,) = records
        lines = [*record.reasons, *record.warnings, *(f"{k}: {n}" for k, n in record.broken_rules.items())]
        verdict = _verdict(str(record.state), record.rows_quarantined, list(record.warnings))
    if name in WHOLE_FILE_REJECTED:
        assert verdict == "reject"
    else:
        assert verdict == case["verdict"]
        assert summary.published_rows == (case["rows_accepted"] or 0)
        assert summary.quarantined_rows == (case["rows_quarantined"] or 0)
    pattern = SAID[name]
    assert not lines if pattern is None else any(re.search(pattern, line) for line in lines), lines


def _verdict(state: str, quarantined: int, warnings: list[str]) -> str:
    if state == "rejected":
        return "reject"
    if state == "empty":
        return "empty_partition"
    if quarantined:
        return "quarantine_rows"
    return "accept_warn" if [text for text in warnings if "byte-order" not in text] else "accept"


def test_dirty_late_days_fill_their_own_place_and_corrections_replace(tmp_path: Path, weather: Model) -> None:
    site = Site(tmp_path, weather)
    arrivals = json.loads((DIRTY / "27_late_partition" / "arrivals.json").read_text("utf-8"))
    versions = {}
    for arrival in sorted(arrivals, key=lambda one: one["arrives"]):
        shutil.copyfile(DIRTY / "27_late_partition" / arrival["file"], site.landing / arrival["file"])
        summary = site.ingest()
        assert (summary.published_rows, summary.quarantined_rows, summary.rejected) == (24, 0, ())
        versions[arrival["file"]] = site.dataset.version()
    rows = site.dataset.read()
    assert rows.height == rows["Timestamp"].n_unique() == 96
    assert rows["Timestamp"].is_sorted()
    first = pl.col("Timestamp") == datetime(2012, 6, 9, 22, tzinfo=UTC)
    before = site.dataset.read(version=versions["2012-06-10.v2.csv"] - 1)
    assert before.filter(first)["Pressure_millibars"].to_list() == [1012.17]
    assert rows.filter(first)["Pressure_millibars"].to_list() == [1013.47]
    (corrected,) = [one for one in site.journal.batches("weather") if one.uri.endswith("v2.csv")]
    assert corrected.warnings == ("correction: published rows replaced: 24",)


WITH_REFERENCE = {
    "00_clean.csv": None,
    "06_extra_column.csv": "Sensor_id",
    "11_nan_flood.csv": "Humidity.null 432",
    "23_fahrenheit.csv": r"Temperature_C.unit: seems to be in another unit \(°F\): median 71",
    "32_real_stuck_zero_2014-12.csv": "Pressure_millibars.change_point: the level jumps by",
    "33_inf_overflow_sentinel.csv": "type",
}


@pytest.mark.parametrize("name", WITH_REFERENCE)
def test_dirty_file_after_six_years_of_history(name: str, tmp_path: Path, weather: Model) -> None:
    """The reference sample is published first; what it adds fires, and nothing fires on good files."""
    site = Site(tmp_path, _contract("32_real_stuck_zero_2014-12.csv", weather))
    with gzip.open(DIRTY / "reference_2006_2011_sample.csv.gz") as packed:
        site.land("reference.csv", packed.read())
    assert site.ingest().rejected == ()
    shutil.copyfile(DIRTY / name, site.landing / name)
    summary = site.ingest()
    record = next(one for one in site.journal.batches("weather") if one.uri.endswith(name))
    lines = [*record.reasons, *record.warnings, *(f"{k}: {n}" for k, n in record.broken_rules.items())]
    wanted = WITH_REFERENCE[name]
    assert bool(summary.rejected) == (_expected(name)["verdict"] == "reject")
    assert any(re.search(wanted, line) for line in lines) if wanted else True
    if name in ("00_clean.csv", "06_extra_column.csv"):  # 78 hours of a dead pressure sensor are all there is
        assert {line.split(":")[0] for line in lines} <= {
            "Pressure_millibars.range",
            "Pressure_millibars.change_point",
            "schema",
        }


def test_dirty_control_has_78_hours_of_a_dead_pressure_sensor(tmp_path: Path, weather: Model) -> None:
    site = Site(tmp_path, weather)
    shutil.copyfile(DIRTY / "00_clean.csv", site.landing / "a.csv")
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (642, 78)
    assert site.journal.batches("weather")[0].broken_rules == {"Pressure_millibars.range": 78}
