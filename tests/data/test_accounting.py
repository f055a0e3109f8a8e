"""Every record of a file is accounted for: published, in quarantine, dropped as a duplicate, or blank."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from almanac.config.sections.dataset import Column
from almanac.config.sections.formats import CsvFormat
from almanac.data.formats.csv_file import open_csv
from almanac.data.formats.file_content import FileContent
from almanac.data.formats.quotes import QuoteScan
from almanac.errors import DataError
from tests.data.installation import START, Site, tiny_csv, tiny_dataset

HEADER = "Time,x,kind\n"
TEXT = st.text(alphabet='a1,"\n\r é', max_size=60)


def strict_count(text: str) -> int:
    """Records below the header, blank ones too, by Python's strict reader of RFC 4180."""
    return sum(1 for _ in csv.reader(io.StringIO(text, newline=""), strict=True)) - 1


def read(folder: Path, text: str) -> tuple[int, int, int] | str:
    """Records with cells, malformed and blank; or why the file is refused."""
    path = folder / "content"
    path.write_bytes(text.encode())
    content = FileContent(path, "a.csv", "0", path.stat().st_size)
    cells = malformed = blank = 0
    try:
        for chunk in open_csv(content, CsvFormat(), tiny_dataset()).chunks():
            cells, malformed, blank = (
                cells + chunk.cells.height,
                malformed + chunk.malformed.height,
                blank + chunk.blank,
            )
    except DataError as error:
        return str(error)
    return cells, malformed, blank


@settings(deadline=None, max_examples=150)
@given(TEXT)
@example('1,2,"3\n')
@example('1,"2"x,3\n4,"5"y,6\n')
@example('1,2,5" pipe\n')
@example('1,2,"a""b"\n4,5,"c\nd"\n')
@example('"","",""\n')
@example("1,2,3\r4,5,6\r")
@example('""x\n')
def test_csv_any_bytes_give_as_many_records_as_a_strict_reader_or_a_reason(tmp_path_factory, body: str) -> None:
    found = read(tmp_path_factory.mktemp("any"), HEADER + body)
    if isinstance(found, str):
        assert found.startswith("a.csv: ")
    else:
        assert sum(found) == strict_count(HEADER + body)


@settings(deadline=None)
@given(TEXT, st.lists(st.integers(1, 59), max_size=5))
def test_quote_scan_finds_the_same_however_the_bytes_are_cut(text: str, cuts: list[int]) -> None:
    whole, cut, data = QuoteScan(",", '"', 1000), QuoteScan(",", '"', 1000), text.encode()
    whole.feed(data)
    borders = sorted({0, *(at for at in cuts if at < len(data)), len(data)})
    for first, last in pairwise(borders):
        cut.feed(data[first:last])
    assert bool(whole.finish()) == bool(cut.finish())


def test_quote_scan_names_the_line() -> None:
    scan = QuoteScan(";", "'", 1000)
    scan.feed(b"a;b\n'c\nd';e\nf;'g'h\n")
    assert scan.finish().startswith("line 4: text follows a quoted cell; got \"'g'h")


def test_quote_scan_of_a_quote_that_nothing_closes_stops_at_the_limit() -> None:
    scan = QuoteScan(",", '"', 1000)
    for _ in range(10):
        scan.feed(b'a,"b\n' if not scan.found else b"x" * 500)
    assert "quotes do not match" in scan.fault


RECORDS = [[f"{START.replace(hour=hour):%Y-%m-%d %H:%M:%S}+00:00", "1.5", "a"] for hour in range(12)]


def lines(records: list[list[str]]) -> str:
    return HEADER + "".join(",".join(record) + "\n" for record in records)


@pytest.mark.parametrize(("opens", "closes", "column"), [(1, 2, 2), (1, 9, 2), (0, 11, 2), (3, 5, 0)])
def test_rows_between_two_stray_quotes_are_not_lost(site: Site, opens: int, closes: int, column: int) -> None:
    records = [list(record) for record in RECORDS]
    records[opens][column] = '"' + records[opens][column]
    records[closes][column] += '"'
    site.land("a.csv", lines(records))
    (rejected,) = site.ingest().rejected
    assert f"a quoted cell holds {closes - opens + 1} records" in rejected.reasons[0]
    assert not site.dataset.exists()


def test_text_of_several_lines_is_no_swallowed_record(site: Site) -> None:
    notes = tiny_dataset().columns | {"kind": tiny_dataset().columns["kind"].model_copy(update={"values": None})}
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=notes)})
    records = [list(record) for record in RECORDS]
    records[3][2] = '"one\ntwo, with a comma\n\n2021-01-01 00:00:00,1,x, of four cells"'
    site.land("a.csv", lines(records))
    assert site.ingest().published_rows == len(RECORDS)


def test_cell_with_a_line_end_is_one_bad_row_of_a_regular_expression(site: Site) -> None:
    texts = tiny_dataset().columns | {"kind": Column(type="string", regex="[a-z]+")}
    site.model = site.model.model_copy(update={"dataset": tiny_dataset(columns=texts)})
    records = [list(record) for record in RECORDS]
    records[3][2] = '"ab\n"'
    site.land("a.csv", lines(records))
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows, found.rejected) == (11, 1, ())


@pytest.mark.parametrize("name", ["", "_row", "^x$", "*", "column 4", "x.unparsed", "X", "_batch", "time", "\u202e"])
def test_undeclared_column_may_have_any_name(site: Site, name: str) -> None:
    header = f"Time,x,kind,,{name}\n"
    body = "".join(",".join([*record, "9", "8"]) + "\n" for record in RECORDS)
    site.land("a.csv", header + body + "no,1,a,9,8\n")
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows, found.rejected) == (12, 1, ())


@pytest.mark.parametrize("name", ["_row", "^x$", "*", "X", "_batch", "x.unparsed", "time"])
def test_undeclared_json_name_may_be_any(site: Site, name: str) -> None:
    source = {**site.model.source.model_dump(), "format": {"kind": "json_lines"}, "patterns": ["*"]}
    site.model = site.model.model_copy(update={"source": type(site.model.source).model_validate(source)})
    records = [dict(zip(("Time", "x", "kind", name), [*record, "7"], strict=True)) for record in RECORDS]
    site.land("a.jsonl", "".join(json.dumps(one) + "\n" for one in [*records, {"Time": "no", name: 1}]))
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows, found.rejected) == (12, 1, ())


def test_json_records_of_other_names_are_bad_not_blank(site: Site) -> None:
    source = {**site.model.source.model_dump(), "format": {"kind": "json_lines"}, "patterns": ["*"]}
    site.model = site.model.model_copy(update={"source": type(site.model.source).model_validate(source)})
    good = [json.dumps(dict(zip(("Time", "x", "kind"), record, strict=True))) for record in RECORDS]
    odd = [json.dumps({"t": record[0], "y": record[1]}) for record in RECORDS[:4]]
    site.land("a.jsonl", "\n".join([*good, *odd, "{}", "", '{"Time": "2021-01-01", "kind": "\\ud83d"}', ""]))
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows, found.dropped_rows) == (12, 5, 2)


def test_second_header_in_another_order_rejects_the_file(site: Site) -> None:
    swapped = ["kind,x,Time\n", *(",".join(reversed(record)) + "\n" for record in RECORDS[6:])]
    site.land("a.csv", lines(RECORDS[:6]) + "".join(swapped))
    (rejected,) = site.ingest().rejected
    assert "record 7 is a second header; got ['kind', 'x', 'Time']" in rejected.reasons[0]


def test_second_header_in_the_same_order_is_one_bad_record(site: Site) -> None:
    site.land("a.csv", lines(RECORDS[:6]) + lines(RECORDS[6:]))
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows) == (12, 1)


def test_bad_rows_that_are_equal_are_all_in_quarantine(site: Site) -> None:
    site.land("a.csv", lines([*RECORDS, *[["", "", "b"]] * 5]))
    found = site.ingest()
    assert (found.published_rows, found.quarantined_rows, found.dropped_rows) == (12, 5, 0)


def test_bad_rows_that_are_equal_count_for_max_bad_share(site: Site) -> None:
    site.land("a.csv", lines([*RECORDS, *[["", "", "b"]] * 60]))
    (rejected,) = site.ingest().rejected
    assert "60 of 72 rows are bad" in rejected.reasons[0]


def test_last_record_without_line_end_waits_and_is_taken_after_patience(site: Site) -> None:
    whole = tiny_csv([(0, 1, "a"), (1, 2.75, "a")])
    path = site.land("a.csv", whole.removesuffix("\n"))
    (file,) = site.new()
    soon, late = file.modified_at + site.model.source.patience / 2, file.modified_at + site.model.source.patience * 2
    assert site.ingest(now=soon).waiting == (
        f"{file.uri}: a.csv: its last record has no line end, so it may be incomplete",
    )
    assert path.exists()
    found = site.ingest(now=late)
    assert (found.published_rows, found.waiting) == (2, ())


ROWS = st.lists(
    st.tuples(st.sampled_from(["0", "1", "2", "3", "", "no"]), st.sampled_from(["1", "99", ""]), st.sampled_from("ab")),
    min_size=1,
    max_size=12,
)


@settings(deadline=None, max_examples=25)
@given(ROWS, st.booleans())
@example([("", "", "a")] * 5 + [("0", "1", "a")] * 8, True)
def test_every_row_is_published_quarantined_or_dropped(tmp_path_factory, weather, rows, as_json: bool) -> None:
    relaxed = weather.model_copy(update={"dataset": tiny_dataset(max_bad_share=1.0)})
    format_ = {"kind": "json_lines"} if as_json else {"kind": "csv"}
    source = type(weather.source).model_validate({**weather.source.model_dump(), "format": format_, "patterns": ["*"]})
    site = Site(tmp_path_factory.mktemp("rows"), relaxed.model_copy(update={"source": source}))
    cells = [[f"2021-01-01T0{hour}:00:00+00:00" if hour.isdigit() else hour, x, kind] for hour, x, kind in rows]
    if as_json:
        text = "".join(json.dumps(dict(zip(("Time", "x", "kind"), row, strict=True))) + "\n" for row in cells)
    else:
        text = lines(cells)
    site.land("a.jsonl" if as_json else "a.csv", text)
    found = site.ingest()
    record = site.journal.batches(site.model.name)[0]
    assert not found.rejected
    assert found.published_rows + found.quarantined_rows + found.dropped_rows == len(rows) == record.rows_read
    good = {(hour, x, kind) for hour, x, kind in rows if hour.isdigit() and x == "1"}
    clashing = {hour for hour, _, kind in good if (hour, "1", {"a": "b", "b": "a"}[kind]) in good}
    spoilt = {hour for hour, x, _ in rows if hour.isdigit() and x != "1"}
    alone = [one for one in good if one[0] not in clashing | spoilt]
    assert found.published_rows == len(alone)
    assert site.quarantined().height == found.quarantined_rows
