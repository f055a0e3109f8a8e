"""A file that a drill lands: rows that the dataset does not hold, in the format in which its source sends them."""

import gzip
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.config.sections.dataset import Column
from almanac.config.sections.formats import (
    AvroFormat,
    CsvFormat,
    FixedWidthFormat,
    JsonLinesFormat,
    OrcFormat,
    ParquetFormat,
)
from almanac.data.ingest.sample_file import write_sample
from almanac.errors import ConfigError
from tests.data.installation import NOW, START, Site, tiny_csv

FORMATS = {
    "csv": (CsvFormat(), ("*.csv",)),
    "decimal comma": (CsvFormat(delimiter=";", decimal=",", encoding="latin-1"), ("*.csv",)),
    "json lines": (JsonLinesFormat(), ("*.jsonl",)),
    "parquet": (ParquetFormat(), ("*.parquet",)),
    "packed": (CsvFormat(), ("*.csv.gz",)),
    "orc": (OrcFormat(), ("*.orc",)),
    "avro": (AvroFormat(), ("*.avro",)),
    "fixed width": (FixedWidthFormat(columns={"Time": (1, 30), "x": (32, 40), "kind": (41, 41)}), ("*.txt",)),
    "no header": (CsvFormat(header="none", names=("n", "kind", "Time", "x")), ("*.csv",)),
    "row names": (CsvFormat(row_names="n", encoding="utf-16"), ("*.csv",)),
    "margins": (CsvFormat(skip_lines=3, footer_lines=2), ("*.csv",)),
    "other characters": (CsvFormat(encoding="shift_jis"), ("*.csv",)),
}
TIMES = {
    "days first": {"format": "%d-%m-%Y %H:%M", "timezone": "UTC"},
    "twelve hours": {"format": "%m/%d/%y %I:%M %p", "timezone": "Asia/Kolkata"},
    "own offset": {"format": "%Y%m%d %H%M%S %z"},
    "epoch": {"format": "epoch ms"},
    "excel": {"format": "excel", "timezone": "America/New_York"},
    "elapsed": {"format": "elapsed h", "origin": "2020-06-01T00:00:00+02:00"},
    "in parts": {"from": ["year", "month", "day", "hour"], "format": "%Y %m %d %H", "timezone": "UTC"},
    "other name": {"from": "When [UTC]"},
}


def published(site: Site, hours: int = 72) -> None:
    site.land("first.csv", tiny_csv([(hour, 1.5 + hour % 5, "ab"[hour % 2]) for hour in range(hours)]))
    assert site.ingest().published_rows == hours


def declared(site: Site, name: str) -> None:
    form, patterns = FORMATS[name]
    source = site.model.source.model_copy(update={"format": form, "patterns": patterns})
    site.model = site.model.model_copy(update={"source": source})


@pytest.mark.parametrize("name", FORMATS)
def test_sample_in_each_format_is_published_as_new_rows(site: Site, tmp_path: Path, name: str) -> None:
    published(site)
    declared(site, name)
    made = write_sample(site.model, site.dataset.read(), tmp_path / "made", now=NOW)
    made.rename(site.landing / made.name)
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (48, 0)
    time = site.dataset.read()["Time"]
    assert time.max() == START + timedelta(hours=71 + 48)


@pytest.mark.parametrize("form", ["csv", "json lines", "parquet", "orc"])
@pytest.mark.parametrize("time", TIMES)
def test_sample_of_times_in_each_format_is_published_as_new_rows(
    site: Site, tmp_path: Path, time: str, form: str
) -> None:
    published(site)
    declared(site, form)
    written = {"Time": Column.model_validate({"type": "timestamp", **TIMES[time]})}
    columns = site.model.dataset.columns | written
    site.model = site.model.model_copy(update={"dataset": site.model.dataset.model_copy(update={"columns": columns})})
    made = write_sample(site.model, site.dataset.read(), tmp_path / "made", now=NOW)
    made.rename(site.landing / made.name)
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (48, 0)
    assert site.dataset.read()["Time"].max() == START + timedelta(hours=71 + 48)


def test_sample_of_young_rows_lies_before_the_oldest_and_never_in_the_future(site: Site, tmp_path: Path) -> None:
    published(site)
    made = write_sample(site.model, site.dataset.read(), tmp_path / "made", now=START + timedelta(hours=72))
    made.rename(site.landing / made.name)
    assert site.ingest().published_rows == 48
    assert site.dataset.read()["Time"].max() == START + timedelta(hours=71)


def test_sample_appears_whole_and_packed_when_its_name_says_so(site: Site, tmp_path: Path) -> None:
    published(site)
    declared(site, "packed")
    made = write_sample(site.model, site.dataset.read(), tmp_path / "made", now=NOW)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["disaster_drill.csv.gz"]
    assert gzip.decompress(made.read_bytes()).startswith(b"Time,x,kind")


def test_sample_under_patterns_without_a_plain_name_is_refused(site: Site, tmp_path: Path) -> None:
    published(site)
    source = site.model.source.model_copy(update={"patterns": ("data[0-9].csv",)})
    model = site.model.model_copy(update={"source": source})
    with pytest.raises(ConfigError, match=r"no file name can be derived from source.patterns"):
        write_sample(model, site.dataset.read(), tmp_path, now=NOW)
