"""Packed files: whole, cut, damaged, misnamed, and too large when unpacked."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
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


def _zipped(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
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
    "bzip2": Case(lambda: bz2.compress(CSV.encode()), ALL, name="w.csv.bz2"),
    "bzip2 cut": Case(lambda: bz2.compress(CSV.encode())[:-300], "waits", "is truncated", name="w.csv.bz2"),
    "bzip2 bomb": Case(lambda: bz2.compress(b"0" * (3 << 20)), "rejected", "after unpacking", name="w.csv.bz2"),
    "xz": Case(lambda: lzma.compress(CSV.encode()), ALL, name="w.csv.xz"),
    "xz cut": Case(lambda: lzma.compress(CSV.encode())[:-300], "waits", "is truncated", name="w.csv.xz"),
    "xz damaged": Case(
        lambda: (packed := bytearray(lzma.compress(CSV.encode()))).__setitem__(400, packed[400] ^ 255) or bytes(packed),
        "rejected",
        "cannot be unpacked|not UTF-8|NUL",
        name="w.csv.xz",
    ),
    "zip": Case(lambda: _zipped({"deep/weather.csv": CSV, "__MACOSX/deep/._weather.csv": "x"}), ALL, name="w.csv.zip"),
    "zip cut": Case(lambda: _zipped({"a.csv": CSV})[:-300], "waits", "end of the ZIP archive", name="w.csv.zip"),
    "zip of two": Case(
        lambda: _zipped({"a.csv": CSV, "b.csv": CSV}), "rejected", "holds 2 files; expected one", name="w.csv.zip"
    ),
    "zip of nothing": Case(lambda: _zipped({}), "rejected", "first bytes|holds 0 files", name="w.csv.zip"),
    "zip bomb": Case(lambda: _zipped({"a.csv": "0" * (3 << 20)}), "rejected", "after unpacking", name="w.csv.zip"),
    "zip of another size": Case(
        lambda: _zipped({"a.csv": CSV}).replace(b"a.csv", b"b.csv", 1),
        "rejected",
        "cannot be unpacked",
        name="w.csv.zip",
    ),
    "gzip bomb": Case(lambda: gzip.compress(b"0" * (3 << 20)), "rejected", "after unpacking", name="w.csv.gz"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_packed_file_gets_its_verdict(case: Case, judge: Callable[[Case], Judgement]) -> None:
    judged = judge(case)
    assert judged.verdict == case.verdict, judged.said
    assert judged.says(case.said), judged.said
