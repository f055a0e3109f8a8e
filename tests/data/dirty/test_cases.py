"""Small files that failed once, where the folder of cases lies beside the project."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from almanac.config.schema import Model
from tests.data.installation import Site
from tests.data.real_data import REAL_DATA

CASES = Path(os.environ.get("ALMANAC_CASES", REAL_DATA.parent / "cases"))
pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not CASES.is_dir(), reason="needs the folder of cases: set ALMANAC_CASES"),
]
# file -> rows published and quarantined, or None: rejected; and what must be said
RIGHT = {
    "one_latin1_text.parquet": (None, "Location: not string, as the file says"),
    "30c_year_294000.parquet": ((719, 1), ""),
    "30h_decimal256.parquet": (None, "too many digits"),
    "30n_zone_nonsense.parquet": (None, "unknown time zone; got 'Mars/Olympus'"),
    "30o_duplicate_column.parquet": (None, "columns given twice"),
    "31b_unnamed_and_column_11.csv": ((720, 0), ""),
    "32e_truncated_emoji.jsonl.gz": ((719, 1), ""),
    "40a_keys_renamed_after_100_of_720.jsonl.gz": (None, "of 720 rows are bad"),
    "40b_offline_rows_600_of_720.csv": (None, "600 of 720 rows are bad"),
    "02d_stray_quotes_swallow_300.csv": (None, "a quoted cell holds"),
    "09c_second_header_other_order.csv": (None, "is a second header"),
    "03_excel_utf16_tab.csv": (None, "UTF-16 text"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_case_gets_its_right_verdict(name: str, tmp_path: Path, weather: Model) -> None:
    kind = {"parquet": "parquet", "jsonl": "json_lines"}.get(name.split(".")[1], "csv")
    source = {**weather.source.model_dump(), "format": {"kind": kind}, "patterns": ["*"]}
    columns = dict(weather.dataset.columns)
    for column, declared in columns.items():  # the sensor of pressure was dead for days in that month
        if column == "Pressure_millibars":
            columns[column] = declared.model_copy(update={"min": None, "max": None})
    dataset = weather.dataset.model_copy(update={"columns": columns, "skew": None})
    site = Site(
        tmp_path,
        weather.model_copy(update={"source": type(weather.source).model_validate(source), "dataset": dataset}),
    )
    right, text = RIGHT[name]
    site.land(name, (CASES / name).read_bytes())
    later = max(file.modified_at for file in site.new()) + timedelta(days=1)
    found = site.ingest(now=later)
    if right is None:
        (rejected,) = found.rejected
        assert text in " ".join(rejected.reasons)
        assert found.published_rows == 0
    else:
        assert (found.published_rows, found.quarantined_rows, found.rejected) == (*right, ())
