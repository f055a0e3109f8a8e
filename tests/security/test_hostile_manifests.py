"""Manifests that an attacker wrote, with or without the key: nothing outside the target is ever written or read.

Whatever a field holds, restores end well or with an error in words. The files of a repository may be anything, too:
links, pipes, devices and folders under the names of objects and manifests neither block nor leak.
"""

import hashlib
import json
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from almanac.backup.drill.functional import use
from almanac.backup.restore.live import restore_live
from almanac.backup.restore.to_folder import Restores, restore_to
from almanac.backup.snapshot.verify import verify
from almanac.backup.snapshot.writer import Draft, take
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.keys import Key
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import Ref, canonical
from almanac.backup.store.repository import BackupRepository, prepare
from almanac.config.home import Home
from almanac.errors import AlmanacError, IntegrityError
from tests.backup.repositories import MAKER, from_bytes

KEY = Key.new()
AT = "20260131T094500.123456Z"
VERSION = {
    "version": "3",
    "mlflow_run_id": "ab" * 16,
    "aliases": ["champion"],
    "dataset_version": 2,
    "onnx_sha256": "a" * 64,
    "artifact_path": "1/ab/artifacts",
}
TABLE = {"delta_version": 0, "readable_versions": [0], "rows": {"0": 3}, "schema_sha256": "b" * 64}
# kind -> files and facts, as a backup writes them
SNAPSHOTS: dict[str, tuple[dict[str, bytes], dict[str, Any]]] = {
    "model/weather": ({"artifacts/model/model.onnx": b"graph", "mlflow.json": b"{}", "check.json": b"{}"}, VERSION),
    "dataset/weather": ({"_delta_log/00000000000000000000.json": b"{}", "part.parquet": b"PAR1"}, TABLE),
    "outputs/weather": ({"predictions/part.parquet": b"PAR1", "reports/one.html": b"<html>"}, {"predictions": TABLE}),
    "checkpoints/weather": ({"run/one.bin": b"weights"}, {"files": 1}),
    "database/mlflow": (
        {"mlflow.db": b"no database"},
        {"engine": "sqlite", "tables": {}, "artifact_root": "/a/mlartifacts"},
    ),
}

HOSTILE = [
    "/../../OUTSIDE",
    "../OUTSIDE",
    "../../../../../../OUTSIDE",
    "..",
    ".",
    "",
    "/etc/passwd",
    "a/../b",
    "a//b",
    "a:b",
    "C:\\x",
    "a\\b",
    "a\x00b",
    "a\nb",
    "weather\n",
    "\u202egnp.exe",
    "\u0661",
    "３",
    "é",
    "e\u0301",
    "x" * 300,
    "a/" * 700,
    "~/x",
    "-rf",
    "$(touch OUTSIDE)",
    "--dbname=x",
    "mlflow-artifacts:/x",
    "s3://bucket/x",
    "file:///etc/passwd",
    "weather",
    "3",
    "group/all",
    "database/secrets",
    "model/weather",
    "1e999",
    " 3",
    "+3",
    "0x3",
]
NUMBERS = [True, False, None, -1, 0, 1, 2, 3.0, 1.5, 1e308, 2**31, 2**63, 2**200]


def _deep(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


values = st.one_of(
    st.sampled_from(HOSTILE),
    st.sampled_from(NUMBERS),
    st.text(max_size=40),
    st.sampled_from([[], {}, ["../x"], {"..": ".."}, {"version": "../x"}]),
    st.builds(_deep, st.sampled_from([3, 150, 400])),
)


def _paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where every part of a document is."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in items:
        yield (*above, name)
        yield from _paths(part, (*above, name))


@st.composite
def changes(draw: st.DrawFn) -> Callable[[dict[str, Any]], None]:
    """One to three changes anywhere in a manifest's body; half of them in its facts."""
    wanted = [
        (
            draw(st.integers(0, 10_000)),
            draw(st.booleans()),
            draw(st.sampled_from(["set", "set", "remove", "add"])),
            draw(values),
            draw(st.sampled_from(HOSTILE)),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]

    def change(body: dict[str, Any]) -> None:
        for number, in_facts, action, value, name in wanted:
            above = ("facts",) if in_facts and body.get("facts") else ()
            paths = [path for path in _paths(body) if path[: len(above)] == above and path != above]
            if not paths:
                continue
            *parents, last = paths[number % len(paths)]
            part = body
            for parent in parents:
                part = part[parent]
            if action == "remove":
                del part[last]
            elif action == "add" and isinstance(part, dict):
                part[name] = value
            else:
                part[last] = value

    return change


def _content(body: dict[str, Any]) -> str:
    """The checksum of whatever its files are now, so that the change is not refused for that alone."""
    try:
        lines = sorted((f["path"], f"{f['sha256']} {f['size']} {f['path']}\n") for f in body["files"])
        return hashlib.sha256("".join(line for _, line in lines).encode()).hexdigest()
    except (TypeError, KeyError, ValueError):
        return "0" * 64


class Sandbox:
    """A repository, a folder to restore to and a home, deep below a folder in which nothing else may appear."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.deep = root.joinpath(*"abcdefgh")
        self.deep.mkdir(parents=True)
        (self.deep / "canary").write_text("untouched")
        self.repository, self.target = self.deep / "repository", self.deep / "target"
        self.home = Home(home=self.deep / "home", MLFLOW_TRACKING_URI=f"sqlite:///{self.deep}/home/mlflow.db")
        self.place = BackupRepository(LocalStore(self.repository), KEY, workers=1)
        prepare(self.place.store)
        self.refs: dict[str, Ref] = {}
        for subject, (files, facts) in SNAPSHOTS.items():
            draft = Draft(subject, [from_bytes(path, content) for path, content in files.items()], facts)
            self.refs[subject] = take(self.place, draft, maker=MAKER).ref

    def forge(self, subject: str, change: Callable[[dict[str, Any]], None], *, signed: bool) -> Ref:
        """A changed manifest, under the name and the place that it gives itself where it can."""
        body = json.loads((self.repository / self.refs[subject].path).read_bytes())["body"]
        change(body)
        if (
            body.get("content")
            == json.loads((self.repository / self.refs[subject].path).read_bytes())["body"]["content"]
        ):
            body["content"] = _content(body)
        signature = {"key": KEY.name, "hmac_sha256": KEY.sign(canonical(body)) if signed else "0" * 64}
        data = canonical({"body": body, "signature": signature})
        time = body["created"] if isinstance(body.get("created"), str) and len(body["created"]) == len(AT) else AT
        ref = Ref.parse(f"manifests/{subject}/{time}-{hashlib.sha256(data).hexdigest()}.json")
        ref = ref or Ref(subject, f"{AT}-{hashlib.sha256(data).hexdigest()}")
        path = self.repository / ref.path
        path.write_bytes(data)
        return ref

    def group(self, members: list[Any]) -> Ref:
        """A signed group of them."""
        draft = Draft("group/all", (), {}, members=())
        taken = take(self.place, draft, maker=MAKER)
        body = json.loads((self.repository / taken.ref.path).read_bytes())["body"] | {"members": members}
        data = canonical({"body": body, "signature": {"key": KEY.name, "hmac_sha256": KEY.sign(canonical(body))}})
        ref = Ref("group/all", f"{body['created']}-{hashlib.sha256(data).hexdigest()}")
        (self.repository / ref.path).write_bytes(data)
        return ref

    def outside(self) -> dict[str, bytes]:
        """Every file that is neither in the repository, nor in the target, nor in the home."""
        ours = (self.repository, self.target, self.home.home)
        found = [path for path in self.root.rglob("*") if not any(path.is_relative_to(one) for one in ours)]
        return {str(path.relative_to(self.root)): path.read_bytes() if path.is_file() else b"" for path in found}

    def clear(self) -> None:
        for folder in (self.target, self.home.home):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True, scope="module")
def _no_fsync() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("os.fsync", lambda _: None)
        patched.setattr("almanac.storage.disk.sync_disk", lambda _: None)
        yield


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return Sandbox(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path / "own")


def in_words(act: Callable[[], object]) -> None:
    """It ends well, or with an error of ours that says something."""
    text = "it ended well, and said where it is"
    try:
        act()
    except AlmanacError as error:
        text = str(error)
    assert len(text) > 20


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(subject=st.sampled_from(list(SNAPSHOTS)), change=changes(), signed=st.booleans())
def test_whatever_a_manifest_holds_nothing_outside_is_written(
    shared: Sandbox, subject: str, change: Callable[[dict[str, Any]], None], signed: bool
) -> None:
    before = shared.outside()
    ref = shared.forge(subject, change, signed=signed)
    place = shared.place if signed else BackupRepository(shared.place.store, None, workers=1)

    def use_it() -> None:
        done = restore_to(Restores(place, ref, shared.target / "single"), lambda _: None)
        use(done.folders[""], done.manifests[""])

    def restore_group() -> None:
        group = shared.group([{"subject": ref.subject, "name": ref.name}] * 2)
        restore_to(Restores(place, group, shared.target / "group"), lambda _: None)

    try:
        in_words(use_it)
        in_words(restore_group)
        in_words(lambda: restore_live(place, ref, shared.home))
        in_words(lambda: verify(place, [ref], level=3, now=datetime.now(UTC)))
        assert shared.outside() == before
    finally:
        shared.clear()
        if ref != shared.refs[subject]:  # a change may change nothing
            (shared.repository / ref.path).unlink(missing_ok=True)


@pytest.mark.parametrize("subject", list(SNAPSHOTS))
def test_each_text_of_a_manifest_that_leads_out_leads_nowhere(sandbox: Sandbox, subject: str) -> None:
    """One after the other, the rest of the manifest as it was: no guard before it hides that one is missing."""
    before = sandbox.outside()
    body = json.loads((sandbox.repository / sandbox.refs[subject].path).read_bytes())["body"]
    for path in _texts(body):
        for text in ("../../../../OUTSIDE", f"{sandbox.root}/OUTSIDE"):
            ref = sandbox.forge(subject, lambda body: _set(body, path, text), signed=True)  # noqa: B023 - called at once
            in_words(lambda: restore_live(sandbox.place, ref, sandbox.home))  # noqa: B023
            group = sandbox.group([{"subject": ref.subject, "name": ref.name}] * 2)
            in_words(lambda: restore_to(Restores(sandbox.place, group, sandbox.target), lambda _: None))  # noqa: B023
            assert sandbox.outside() == before, path
            sandbox.clear()
            (sandbox.repository / ref.path).unlink()


def _texts(body: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [path for path in _paths(body) if isinstance(_get(body, path), str) and path[0] not in ("content", "format")]


def _get(part: Any, path: tuple[Any, ...]) -> Any:
    for name in path:
        part = part[name]
    return part


def _set(part: Any, path: tuple[Any, ...], value: Any) -> None:
    _get(part, path[:-1])[path[-1]] = value


@pytest.mark.parametrize("version", ["/../../OUTSIDE", "../../../../OUTSIDE", "3\n", "", 3, True, "x" * 300, "\u0663"])
def test_version_that_is_no_number_never_becomes_a_path(sandbox: Sandbox, version: Any) -> None:
    before = sandbox.outside()
    ref = sandbox.forge("model/weather", lambda body: body["facts"].update(version=version), signed=False)
    group = sandbox.group([{"subject": ref.subject, "name": ref.name}])
    place = BackupRepository(sandbox.place.store, None)
    with pytest.raises(IntegrityError, match="has no usable value of 'version'"):
        restore_to(Restores(place, group, sandbox.target / "back"), lambda _: None)
    assert sandbox.outside() == before


@pytest.mark.parametrize("path", ["../../../OUTSIDE", "/../OUTSIDE/x", "a\\..\\b", "a\x00", "a\nb", 7, ["a"]])
def test_artifact_path_that_leads_out_is_refused(sandbox: Sandbox, path: Any) -> None:
    before = sandbox.outside()
    ref = sandbox.forge("model/weather", lambda body: body["facts"].update(artifact_path=path), signed=True)
    with pytest.raises(IntegrityError, match="has no usable value of 'artifact_path'"):
        restore_live(sandbox.place, ref, sandbox.home)
    assert sandbox.outside() == before


@pytest.mark.parametrize("found", [True, 1.0, "1", None, 2])
def test_format_that_only_equals_one_is_refused(sandbox: Sandbox, found: Any) -> None:
    ref = sandbox.forge("dataset/weather", lambda body: body.update(format=found), signed=True)
    with pytest.raises(IntegrityError, match="unknown format"):
        Catalogue(sandbox.place).read(ref)


@pytest.mark.parametrize("size", [True, 1.0, "1", -1, 2**63, 2**200])
def test_size_that_is_no_number_of_bytes_is_refused(sandbox: Sandbox, size: Any) -> None:
    ref = sandbox.forge("dataset/weather", lambda body: body["files"][0].update(size=size), signed=True)
    with pytest.raises(IntegrityError, match=r"files\.0\.size"):
        Catalogue(sandbox.place).read(ref)


def test_manifest_in_another_form_of_json_is_refused(sandbox: Sandbox) -> None:
    """A key that is there twice reads one way here and another way elsewhere."""
    data = (sandbox.repository / sandbox.refs["dataset/weather"].path).read_bytes()
    data = data.replace(b'{"body":', b'{"body":{},"body":', 1)
    ref = Ref("dataset/weather", f"{AT}-{hashlib.sha256(data).hexdigest()}")
    (sandbox.repository / ref.path).write_bytes(data)
    with pytest.raises(IntegrityError, match="not in canonical form"):
        Catalogue(sandbox.place).read(ref)


@pytest.mark.parametrize(
    "name", ["99999999T999999.999999Z", "20261331T094500.123456Z", "\u0662" * 8 + "T094500.123456Z"]
)
def test_name_with_a_time_that_there_is_not_is_no_snapshot(sandbox: Sandbox, name: str) -> None:
    path = sandbox.repository / "manifests/dataset/weather" / f"{name}-{'a' * 64}.json"
    path.write_text("{}")
    newest = Catalogue(sandbox.place).newest("dataset/weather")
    assert newest == sandbox.refs["dataset/weather"]


@pytest.mark.parametrize("subject", ["dataset/weather\n", "dataset/" + "a" * 101, "dataset/../x", "secrets/key"])
def test_subject_of_a_member_that_is_none_is_refused(sandbox: Sandbox, subject: str) -> None:
    group = sandbox.group([{"subject": subject, "name": sandbox.refs["dataset/weather"].name}])
    with pytest.raises(IntegrityError, match="not a subject"):
        Catalogue(sandbox.place).read(group)


def test_database_of_an_unknown_name_is_not_put_into_the_home(sandbox: Sandbox) -> None:
    draft = Draft("database/secrets", [from_bytes("secrets.db", b"x")], {"engine": "sqlite", "tables": {}})
    ref = take(sandbox.place, draft, maker=MAKER).ref
    with pytest.raises(AlmanacError, match="no database 'secrets'"):
        restore_live(sandbox.place, ref, sandbox.home)
    assert not (sandbox.home.home / "secrets.db").exists()


SECRET = b"the password of somebody else"


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _dangling(path: Path, _: Path) -> None:
    path.symlink_to("/nowhere/at/all")


def _folder(path: Path, _: Path) -> None:
    path.mkdir()


def _zeros(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _socket(path: Path, _: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(path.parent)  # a path of a socket is short
        try:
            server.bind(path.name)
        finally:
            os.chdir(here)


def within(act: Callable[[], object], seconds: float = 120) -> BaseException | None:
    """What it raises; it must end, well or not: a pipe that is read waits for ever."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it blocks"
    return found[0] if found else None


@pytest.mark.parametrize("make", [_pipe, _link, _dangling, _folder, _zeros, _socket])
def test_object_that_is_no_file_is_refused_and_not_read(
    sandbox: Sandbox, make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    ref = sandbox.refs["dataset/weather"]
    entry = Catalogue(sandbox.place).read(ref).files[1]
    path = sandbox.repository / entry.object_name
    path.unlink()
    make(path, secret)
    error = within(lambda: restore_to(Restores(sandbox.place, ref, sandbox.target / "back"), lambda _: None))
    assert isinstance(error, AlmanacError)
    assert "not a regular file" in str(error)
    assert hashlib.sha256(SECRET).hexdigest() not in str(error)
    assert not (sandbox.target / "back").exists()
    found = verify(sandbox.place, [ref], level=3, now=datetime.now(UTC)).findings
    assert any(entry.path in finding.text for finding in found)


@pytest.mark.parametrize("make", [_pipe, _link, _dangling, _zeros, _socket])
def test_next_backup_replaces_an_object_that_is_no_file(
    sandbox: Sandbox, make: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(SECRET)
    files, facts = SNAPSHOTS["dataset/weather"]
    ref = sandbox.refs["dataset/weather"]
    for entry in Catalogue(sandbox.place).read(ref).files:
        path = sandbox.repository / entry.object_name
        path.unlink()
        make(path, secret)
    draft = Draft("dataset/weather", [from_bytes(path, content) for path, content in files.items()], facts)
    assert within(lambda: take(sandbox.place, draft, maker=MAKER)) is None
    assert within(lambda: restore_to(Restores(sandbox.place, ref, sandbox.target / "back"), lambda _: None)) is None
    assert secret.read_bytes() == SECRET


@pytest.mark.parametrize("name", ["almanac-backup.json", "latest/dataset/weather.json"])
def test_pipe_in_place_of_a_small_file_does_not_block(sandbox: Sandbox, name: str) -> None:
    path = sandbox.repository / name
    path.unlink()
    os.mkfifo(path)
    error = within(lambda: verify(sandbox.place, Catalogue(sandbox.place).refs(), level=1, now=datetime.now(UTC)))
    assert isinstance(error, IntegrityError)
    assert "not a regular file" in str(error)


def test_pointer_tombstone_and_drill_nested_without_end_are_damaged(sandbox: Sandbox) -> None:
    ref = sandbox.refs["dataset/weather"]
    deep = b"[" * 100_000
    (sandbox.repository / "latest/dataset/weather.json").write_bytes(deep)
    catalogue = Catalogue(sandbox.place)
    assert catalogue.pointer("dataset/weather") == ""
    path = sandbox.repository / "forgotten" / "dataset" / "weather" / f"{ref.name}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(deep)
    with pytest.raises(IntegrityError, match="damaged"):
        catalogue.tombstones()
