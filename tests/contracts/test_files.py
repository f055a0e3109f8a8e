"""What every store promises: files are whole or not there, listings are true, faults help and keep secrets."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.errors import ConfigError, DataError, TransientError
from almanac.storage.files import copy_file, exists, hash_file, move_file, read_blocks, read_bytes, remove, write_bytes
from almanac.storage.listing import StoredFile, list_files, remove_unchanged
from tests.servers.azure import AzureServer
from tests.servers.s3 import S3Server
from tests.servers.stores import BUCKET, WRONG_SECRET, Store

NAMES = [
    "a.csv",
    "ä ö.csv",
    "=cmd.csv",
    "a%20b.csv",
    "q?x#y.csv",
    "t~b*[1].csv",
    "p+q&r.csv",
    "trail.csv ",
    "{e}|^'.csv",
]
LARGE = 12_000_000  # several parts of an upload


def _names(place: str, *patterns: str) -> list[str]:
    return [file.name for file in list_files(place, patterns or ("*",))]


def _one(place: str) -> StoredFile:
    (found,) = list_files(place, ["*"])
    return found


def test_write_then_read_is_the_same(place: str) -> None:
    write_bytes(f"{place}/below/a", b"one")
    write_bytes(f"{place}/below/a", b"two")
    assert read_bytes(f"{place}/below/a") == b"two"
    assert exists(f"{place}/below/a")
    assert not exists(f"{place}/below")
    assert not exists(f"{place}/below/b")


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_listed_and_read_as_it_was_written(place: str, name: str) -> None:
    write_bytes(f"{place}/{name}", b"x")
    found = _one(place)
    assert (found.uri, found.name) == (f"{place}/{name}", name)
    assert read_bytes(found.uri) == b"x"
    assert remove_unchanged(found)
    assert _names(place) == []


def test_missing_file_is_reported_from_a_fault(place: str) -> None:
    for read in (read_bytes, hash_file, lambda uri: list(read_blocks(uri))):
        with pytest.raises(FileNotFoundError):
            read(f"{place}/gone")
    assert list_files(f"{place}/nowhere", ["*"]) == []


def test_remove_twice_is_no_fault(place: str) -> None:
    write_bytes(f"{place}/a", b"x")
    for _ in range(2):
        remove(f"{place}/a")
    assert not exists(f"{place}/a")


@pytest.mark.parametrize("put", [copy_file, move_file])
def test_large_file_arrives_whole(place: str, put: Callable[[Path, str], None], tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(os.urandom(LARGE // 10) * 10)
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    put(made, f"{place}/a")
    assert hash_file(f"{place}/a") == digest
    assert sum(map(len, read_blocks(f"{place}/a"))) == LARGE
    assert made.exists() is (put is copy_file)


def test_empty_file_is_a_file(place: str) -> None:
    write_bytes(f"{place}/a", b"")
    assert _one(place).size_bytes == 0
    assert read_bytes(f"{place}/a") == b""


def test_listing_says_size_and_time_in_utc(place: str) -> None:
    write_bytes(f"{place}/a.csv", b"abc")
    found = _one(place)
    assert found.size_bytes == 3
    assert found.modified_at.tzinfo is UTC
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(seconds=5)


def test_listing_takes_what_matches_and_may_be_taken(place: str) -> None:
    taken = ["a.csv", "2021/b.csv"]
    for name in (*taken, ".c.csv", "_d.csv", "e.csv.tmp", "f.csv.part", "g.txt", "_temporary/h.csv", "2021/01/i.csv"):
        write_bytes(f"{place}/{name}", b"x")
    write_bytes(f"{place}_beside/j.csv", b"x")
    assert [file.uri for file in list_files(place, ["*.csv", "*/*.csv"])] == [
        f"{place}/{name}" for name in sorted(taken)
    ]
    assert _names(place, "*.csv") == ["a.csv"]


def test_listing_of_many_is_complete(place: str) -> None:
    """More than one page of the answer of S3, which holds 1,000; a page of Azure holds 5,000, a folder has none."""
    names = [f"{number:04}.csv" for number in range(1100 if place.startswith("s3:") else 50)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: write_bytes(f"{place}/{name}", b"x"), names))
    assert _names(place) == names


def test_file_that_did_not_change_is_listed_the_same_twice(place: str) -> None:
    write_bytes(f"{place}/a", b"x")
    assert _one(place) == _one(place)


def test_file_of_other_content_and_the_same_size_is_another(place: str) -> None:
    write_bytes(f"{place}/a", b"one")
    first = _one(place)
    write_bytes(f"{place}/a", b"two")
    assert _one(place) != first


def test_stored_file_survives_json(place: str) -> None:
    write_bytes(f"{place}/a", b"x")
    assert StoredFile.from_json(_one(place).to_json()) == _one(place)


def test_remove_unchanged_spares_a_newer_file_of_the_same_name_and_size(place: str) -> None:
    write_bytes(f"{place}/a", b"one")
    found = _one(place)
    write_bytes(f"{place}/a", b"two")
    assert not remove_unchanged(found)
    assert read_bytes(f"{place}/a") == b"two"
    assert remove_unchanged(_one(place))
    assert remove_unchanged(found)  # it is gone already
    assert _names(place) == []


UPLOAD = """
import sys
from pathlib import Path
from almanac.storage.files import copy_file
print("up", flush=True)
copy_file(Path(sys.argv[1]), sys.argv[2])
print("done", flush=True)
"""


@pytest.fixture
def server(any_store: Store, request: pytest.FixtureRequest) -> S3Server | AzureServer:
    """The server of the store."""
    found: S3Server | AzureServer = request.getfixturevalue(
        f"{'s3' if any_store.uri.startswith('s3:') else 'azure'}_server"
    )
    return found


def test_upload_whose_process_is_killed_is_never_seen(
    any_store: Store, server: S3Server | AzureServer, tmp_path: Path
) -> None:
    made = tmp_path / "made"
    made.write_bytes(os.urandom(LARGE))
    write_bytes(f"{any_store.uri}/a", b"before")
    command = [sys.executable, "-c", UPLOAD, str(made), f"{any_store.uri}/a"]
    server.process.send_signal(signal.SIGSTOP)  # so that it cannot be done when the kill comes
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            time.sleep(0.5)
            process.kill()
            assert process.stdout.read() == ""
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert read_bytes(f"{any_store.uri}/a") == b"before"
    assert _names(any_store.uri) == ["a"]


def test_upload_of_a_file_that_cannot_be_read_leaves_what_was_there(place: str, tmp_path: Path) -> None:
    write_bytes(f"{place}/a", b"before")
    with pytest.raises(TransientError, match="could not be written"):
        copy_file(tmp_path, f"{place}/a")
    assert read_bytes(f"{place}/a") == b"before"


ASKING: list[Callable[[str], object]] = [
    read_bytes,
    hash_file,
    exists,
    remove,
    lambda uri: list_files(uri, ["*"]),
    lambda uri: write_bytes(uri, b"x"),
    lambda uri: remove_unchanged(StoredFile(uri, "a", 1, datetime.now(UTC), "x")),
]


@pytest.mark.parametrize("ask", ASKING)
def test_wrong_secret_is_transient_and_never_printed(
    any_store: Store, ask: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(any_store.secret_name, WRONG_SECRET)
    with pytest.raises(TransientError, match=r"could not be \w+( at)?: .*403.*grants access") as caught:
        ask(f"{any_store.uri}/a")
    message = "".join(traceback.format_exception(caught.value))
    assert WRONG_SECRET not in message
    assert any_store.secret not in message


def test_signed_address_is_never_printed(azure_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure's shared access signatures are part of every address."""
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    token = "sv=2021-08-06&ss=b&srt=sco&sp=r&se=2020-01-01T00:00:00Z&sig=c2VjcmV0IHNpZ25hdHVyZQ%3D%3D"
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token)
    with pytest.raises(TransientError, match=r"could not be read: .*403") as caught:
        read_bytes(f"{azure_store.uri}/a")
    assert "c2VjcmV0" not in "".join(traceback.format_exception(caught.value))


def test_missing_bucket_is_a_fault_not_a_missing_file(any_store: Store) -> None:
    for ask in (read_bytes, lambda uri: list_files(uri, ["*"]), lambda uri: write_bytes(uri, b"x")):
        with pytest.raises(TransientError, match="could not be"):
            ask(any_store.uri.replace(f"//{BUCKET}/", "//nosuchplace/"))


def test_unknown_kind_of_store_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ftp://x/a: no client for 'ftp'; expected a path, file://, s3://, abfs://"):
        read_bytes("ftp://x/a")


def test_folder_made_by_a_console_is_no_file(s3_store: Store, s3_server: S3Server) -> None:
    root = s3_store.uri.removeprefix(f"s3://{BUCKET}/")
    client = s3_server.client()
    for name in ("", "2021/"):
        client.put_object(Bucket=BUCKET, Key=f"{root}/{name}", Body=b"")
    client.put_object(Bucket=BUCKET, Key=f"{root}/2021/a.csv", Body=b"x")
    assert _names(s3_store.uri, "*", "*/*") == ["a.csv"]


def test_name_that_cannot_be_written_down_stops_its_folder_alone(s3_store: Store, s3_server: S3Server) -> None:
    root = s3_store.uri.removeprefix(f"s3://{BUCKET}/")
    client = s3_server.client()
    for name in ("good/a.csv", "bad//b.csv", "bad/c.csv"):
        client.put_object(Bucket=BUCKET, Key=f"{root}/{name}", Body=b"x")
    assert _names(f"{s3_store.uri}/good") == ["a.csv"]
    with pytest.raises(
        DataError,
        match=r"/bad: the name of an object here cannot be written as a path by any client:"
        r" .*/bad//\"",
    ):
        list_files(f"{s3_store.uri}/bad", ["*"])
    assert _names(s3_store.uri, "*") == []  # deeper than was asked for
    client.delete_object(Bucket=BUCKET, Key=f"{root}/bad//b.csv")
    assert _names(f"{s3_store.uri}/bad") == ["c.csv"]


def test_store_that_is_away_for_a_while_is_waited_for(any_store: Store, server: S3Server | AzureServer) -> None:
    write_bytes(f"{any_store.uri}/a", b"x")
    server.process.send_signal(signal.SIGSTOP)
    waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {server.process.pid}"])
    try:
        assert read_bytes(f"{any_store.uri}/a") == b"x"
    finally:
        waker.wait()
