"""Packed files: whole, cut, damaged, misnamed, and too large when unpacked."""

import gzip
import io
import tarfile
from collections.abc import Callable

import pyarrow as pa
import pytest

from tests.data.dirty.case import Case, Judgement
from tests.data.dirty.june import ALL, CSV

_ZSTD = pa.Codec("zstd").compress(CSV.encode(), asbytes=True)


def _archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        member = tarfile.TarInfo("weather.csv")
        member.size = len(CSV.encode())
        archive.addfile(member, io.BytesIO(CSV.encode()))
    return packed.getvalue()


CASES = {
    "archive called gzip": Case(_archive, "rejected", "first bytes of a tar archive", name="w.csv.gz"),
    "gzip of gzip": Case(
        lambda: gzip.compress(gzip.compress(CSV.encode())), "rejected", "first bytes of gzip", name="w.csv.gz"
    ),
    "zstd bomb": Case(
        lambda: pa.Codec("zstd").compress(b"0" * (3 << 20), asbytes=True),
        "rejected",
        "after unpacking",
        name="w.csv.zst",
    ),
    "gzip": Case(lambda: gzip.compress(CSV.encode()), ALL, name="w.csv.gz"),
    "gzip of two members": Case(
        lambda: gzip.compress(CSV[:9000].encode()) + gzip.compress(CSV[9000:].encode()), ALL, name="w.csv.gz"
    ),
    "zstd": Case(lambda: _ZSTD, ALL, name="w.csv.zst"),
    "gzip called csv": Case(lambda: gzip.compress(CSV.encode()), "rejected", "first bytes of gzip"),
    "csv called gzip": Case(lambda: CSV.encode(), "rejected", "not gzip, as its name says", name="w.csv.gz"),
    "gzip cut": Case(lambda: gzip.compress(CSV.encode())[:-900], "waits", "is truncated", name="w.csv.gz"),
    "zstd cut": Case(lambda: _ZSTD[:-900], "waits", "incomplete|short", name="w.csv.zst"),
    "gzip with garbage behind": Case(
        lambda: gzip.compress(CSV.encode()) + b"garbage", "rejected", "cannot be unpacked", name="w.csv.gz"
    ),
    "gzip damaged": Case(
        lambda: (packed := bytearray(gzip.compress(CSV.encode()))).__setitem__(400, packed[400] ^ 255) or bytes(packed),
        "rejected",
        "cannot be unpacked|not UTF-8|NUL",
        name="w.csv.gz",
    ),
    "gzip of nothing": Case(lambda: gzip.compress(b""), "rejected", "empty file", name="w.csv.gz"),
    "nothing called gzip": Case(lambda: b"", "rejected", "empty file", name="w.csv.gz"),
    "gzip bomb": Case(lambda: gzip.compress(b"0" * (3 << 20)), "rejected", "after unpacking", name="w.csv.gz"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_packed_file_gets_its_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
