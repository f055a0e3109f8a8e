"""Manifests: what is written is read, and nothing else is."""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from almanac.backup.store.keys import Key
from almanac.backup.store.manifest import (
    FileEntry,
    Manifest,
    Ref,
    canonical,
    check_path,
    content_checksum,
    read_manifest,
    write_manifest,
)
from almanac.errors import IntegrityError

KEY = Key.new()
AT = datetime(2026, 1, 31, 9, 45, 0, 123456, tzinfo=UTC)


def manifest(*paths: str) -> Manifest:
    files = tuple(FileEntry(path=path, size=1, sha256="a" * 64, stored_size=1, codec="raw") for path in paths)
    return Manifest(subject="dataset/weather", created=AT, files=files, content=content_checksum(files))


def forged(change: Any, key: Key = KEY) -> tuple[Ref, bytes]:
    """A manifest that an attacker with the key would write: only its content is hostile."""
    _, data = write_manifest(manifest("a"), key)
    document = json.loads(data)
    change(document["body"])
    document["signature"] = {"key": key.name, "hmac_sha256": key.sign(canonical(document["body"]))}
    data = canonical(document)
    return Ref("dataset/weather", f"20260131T094500.123456Z-{hashlib.sha256(data).hexdigest()}"), data


def test_manifest_round_trip() -> None:
    ref, data = write_manifest(manifest("b/c", "a"), KEY)
    assert ref.name == f"20260131T094500.123456Z-{hashlib.sha256(data).hexdigest()}"
    assert read_manifest(ref, data, KEY, where="place") == manifest("b/c", "a")
    assert ref.created == AT
    assert Ref.parse(ref.path) == ref


def test_manifest_bytes_are_canonical() -> None:
    _, data = write_manifest(manifest("a"), KEY)
    assert canonical(json.loads(data)) == data


@pytest.mark.parametrize(
    "path",
    [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "a//b",
        "",
        ".",
        "a/.",
        "C:/x",
        "a\\b",
        "a\nb",
        "a\x00b",
        "x" * 300,
        "a/" * 600,
    ],
)
def test_check_path_hostile_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a plain relative path"):
        check_path(path)


def test_read_manifest_hostile_path_is_refused() -> None:
    ref, data = forged(lambda body: body["files"][0].update(path="../../etc/cron.d/x"))
    with pytest.raises(IntegrityError, match="not a plain relative path"):
        read_manifest(ref, data, KEY, where="place")


def test_read_manifest_changed_bytes_are_refused() -> None:
    ref, data = write_manifest(manifest("a"), KEY)
    with pytest.raises(IntegrityError, match="does not match its name"):
        read_manifest(ref, data.replace(b'"size":1', b'"size":2'), KEY, where="place")


def test_read_manifest_changed_and_renamed_is_refused() -> None:
    _, data = write_manifest(manifest("a"), KEY)
    data = data.replace(b"a" * 64, b"b" * 64)
    ref = Ref("dataset/weather", f"20260131T094500.123456Z-{hashlib.sha256(data).hexdigest()}")
    with pytest.raises(IntegrityError, match="signature is not that of our key"):
        read_manifest(ref, data, KEY, where="place")


def test_read_manifest_of_another_key_is_refused_unless_unsigned() -> None:
    ref, data = write_manifest(manifest("a"), Key.new())
    with pytest.raises(IntegrityError, match="written with another key"):
        read_manifest(ref, data, KEY, where="place")
    assert read_manifest(ref, data, None, where="place") == manifest("a")


@pytest.mark.parametrize(
    ("subject", "time"), [("dataset/other", "20260131T094500.123456Z"), ("dataset/weather", "20270131T094500.123456Z")]
)
def test_read_manifest_put_elsewhere_is_refused(subject: str, time: str) -> None:
    ref, data = write_manifest(manifest("a"), KEY)
    with pytest.raises(IntegrityError, match="was put here by somebody else"):
        read_manifest(Ref(subject, f"{time}-{ref.sha256}"), data, KEY, where="place")


def test_read_manifest_unknown_format_is_refused() -> None:
    ref, data = forged(lambda body: body.update(format=2))
    with pytest.raises(IntegrityError, match=r"unknown format; got 2, expected 1"):
        read_manifest(ref, data, KEY, where="place")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body.update(content="b" * 64), "content is not the checksum"),
        (lambda body: body["files"].append(dict(body["files"][0])), "a path is listed twice"),
        (lambda body: body["files"].append(body["files"][0] | {"path": "a/b"}), "a file is also a folder"),
        (lambda body: body["files"][0].update(sha256="../../x"), "sha256"),
        (lambda body: body["files"][0].update(size=-1), "size"),
        (lambda body: body["files"][0].update(codec="pickle"), "codec"),
        (lambda body: body.update(more=1), "more"),
        (lambda body: body.pop("files") and body.pop("content"), "content"),
    ],
)
def test_read_manifest_wrong_form_is_refused(change: Any, said: str) -> None:
    ref, data = forged(change)
    with pytest.raises(IntegrityError, match=said):
        read_manifest(ref, data, KEY, where="place")


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_read_manifest_no_manifest_is_refused(data: bytes) -> None:
    ref = Ref("dataset/weather", f"20260131T094500.123456Z-{hashlib.sha256(data).hexdigest()}")
    with pytest.raises(IntegrityError, match="no manifest of this format"):
        read_manifest(ref, data, KEY, where="place")


def test_key_text_comes_back_and_repr_hides_it() -> None:
    assert Key.parse(KEY.text, "here") == KEY
    assert KEY.text not in repr(KEY)
    assert str(KEY.master) not in repr(KEY)
