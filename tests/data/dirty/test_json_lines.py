"""JSON lines, good and bad."""

import codecs
import gzip
import json
import re
from collections.abc import Callable
from functools import partial

import pytest

from almanac.config.sections.formats import JsonLinesFormat
from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV, JUNE, ROWS

_Lines = partial(Case, name="w.jsonl", format=JsonLinesFormat())


CASES = {
    "json lines": _Lines(lambda: JUNE.write_ndjson().encode(), ALL),
    "json lines packed": _Lines(lambda: gzip.compress(JUNE.write_ndjson().encode()), ALL, name="w.jsonl.gz"),
    "json lines with junk": _Lines(
        lambda: (JUNE.write_ndjson() + '{"a": 1, "a": 2}\n[1]\nnope\n').encode(),
        (ROWS, 3),
        "file.record: 3",
    ),
    "json lines cut": _Lines(lambda: JUNE.write_ndjson().encode()[:-30], "waits", "incomplete"),
    "json lines with a mark and windows' line ends": _Lines(
        lambda: codecs.BOM_UTF8 + JUNE.write_ndjson().replace("\n", "\r\n").encode(),
        ALL,
        "mark stripped",
    ),
    "json lines without some names": _Lines(
        lambda: re.sub('"Humidity":[0-9.]+,', "", JUNE.write_ndjson(), count=3).encode(),
        (717, 3),
        "Humidity.null: 3",
    ),
    "json lines of texts, and one too deep": _Lines(
        lambda: (re.sub(":([0-9.]+)([,}])", r':"\1"\2', JUNE.write_ndjson()) + "[" * 100_000 + "\n").encode(),
        (ROWS, 1),
        "file.record: 1",
    ),
    "json in one array": _Lines(
        lambda: json.dumps(JUNE.head(2).to_dicts()).encode(),
        "rejected",
        "not JSON lines",
    ),
    "csv called json lines": _Lines(lambda: CSV.encode(), "rejected", "not JSON lines"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_json_lines_get_their_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
