"""Archives of versions that were changed, cut, forged or made to do harm: each is refused, and nothing is changed."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from almanac.alerts.alert_log import AlertLog
from almanac.backup.store.keys import Key
from almanac.backup.store.manifest import canonical
from almanac.backup.subjects.model import ARTIFACTS, CHECK, RUN
from almanac.errors import AlmanacError, ConfigError, IntegrityError
from almanac.journal.records import DecisionKind
from almanac.registry import files
from almanac.registry.records import Tag
from almanac.transfer.archive import (
    HEAD,
    MAX_FILES,
    ArchivedFile,
    ArchiveHead,
    read_archive,
    signed_head,
    write_archive,
    write_members,
)
from almanac.transfer.content import check_content
from almanac.transfer.signature import public_key, sign, trusted_keys
from tests.training.conftest import NOW

Files = dict[str, bytes]
STRANGER = Key(bytes(32))
GRAPH, PASSPORT = f"{ARTIFACTS}{files.ONNX}", f"{ARTIFACTS}{files.PASSPORT}"


@pytest.fixture
def key(staging) -> Key:
    return staging.key


@pytest.fixture(scope="module")
def content(staging, archive) -> Files:
    return dict(read_archive(archive, trusted_keys({}, staging.key)).files)


def body_of(found: Files, **changed: Any) -> dict[str, Any]:
    listed = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in found.items()
    ]
    facts = {"model": "weather", "version": "1", "exported_by": "ada", "almanac": "1", "exported_at": NOW.isoformat()}
    return {"format": 1, **facts, "files": listed, **changed}


def signed(body: dict[str, Any], key: Key) -> bytes:
    signature = {"key": public_key(key), "ed25519": sign(key, canonical(body))}
    return canonical({"body": body, "signature": signature})


def pack(path: Path, head: bytes, members: Files) -> Path:
    with path.open("wb") as stream:
        write_members(stream, head, members, NOW)
    return path


def members_of(path: Path) -> Files:
    with tarfile.open(path) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar}


def read(path: Path, key: Key):
    return read_archive(path, {public_key(key): "staging"})


def test_archive_as_it_was_exported_is_read(archive, key, content) -> None:
    found = read(archive, key)
    assert found.key_name == "staging"
    assert found.head.title == "weather@1"
    assert check_content("weather", "1", content, "here").title == "weather@1"


def test_archive_with_any_byte_changed_is_refused(archive, key, tmp_path) -> None:
    raw, path = archive.read_bytes(), tmp_path / "changed.tar"
    with tarfile.open(archive) as tar:
        places = [one.offset_data + one.size // 2 for one in tar if one.size]
    for place in places:
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(IntegrityError):
            read(path, key)


def test_archive_with_a_changed_file_is_refused_by_its_hash(archive, key, tmp_path) -> None:
    found = members_of(archive)
    head = found.pop(HEAD)
    changed = {**found, GRAPH: bytes([found[GRAPH][0] ^ 1]) + found[GRAPH][1:]}
    with pytest.raises(IntegrityError, match=r"model.onnx: the bytes are not what was signed"):
        read(pack(tmp_path / "a.tar", head, changed), key)


def test_archive_with_a_changed_list_is_refused_by_its_signature(archive, key, content, tmp_path) -> None:
    document = json.loads(members_of(archive)[HEAD])
    document["body"]["model"] = "tides"
    with pytest.raises(IntegrityError, match="the signature is not that of the key 'staging': it was changed"):
        read(pack(tmp_path / "a.tar", canonical(document), content), key)


def test_archive_of_an_unknown_key_is_refused(key, content, tmp_path) -> None:
    path = pack(tmp_path / "a.tar", signed(body_of(content), STRANGER), content)
    assert read(path, STRANGER).files == content  # nothing else is wrong with it
    with pytest.raises(IntegrityError, match=r"a key that this installation does not trust; .* \['staging'\]"):
        read(path, key)


def test_archive_that_names_a_trusted_key_and_is_signed_by_another_is_refused(key, content, tmp_path) -> None:
    body = body_of(content)
    head = canonical({"body": body, "signature": {"key": public_key(key), "ed25519": sign(STRANGER, canonical(body))}})
    with pytest.raises(IntegrityError, match="the signature is not that of the key"):
        read(pack(tmp_path / "a.tar", head, content), key)


@pytest.mark.parametrize(
    "signature",
    [None, {}, {"key": "", "ed25519": ""}, {"key": 1, "ed25519": 2}, {"key": ["a"], "ed25519": "00"}, "text"],
)
def test_archive_without_a_signature_is_refused(signature: Any, key, content, tmp_path) -> None:
    head = canonical({"body": body_of(content), "signature": signature})
    with pytest.raises(IntegrityError, match=r"not a signed list|does not trust"):
        read(pack(tmp_path / "a.tar", head, content), key)


def test_archive_of_a_newer_format_is_refused_with_what_to_do(key, content, tmp_path) -> None:
    path = pack(tmp_path / "a.tar", signed(body_of(content, format=2), key), content)
    with pytest.raises(IntegrityError, match=r"unknown format; got 2, expected 1\. A later Almanac wrote it: upgrade"):
        read(path, key)


@pytest.mark.parametrize("found", [True, "1", None, 1.0])
def test_archive_of_no_format_is_refused(found: Any, key, content, tmp_path) -> None:
    with pytest.raises(IntegrityError, match="unknown format"):
        read(pack(tmp_path / "a.tar", signed(body_of(content, format=found), key), content), key)


def test_archive_whose_list_has_a_key_twice_is_refused(key, content, tmp_path) -> None:
    head = signed(body_of(content), key).replace(b'{"body":', b'{"body":{},"body":', 1)
    with pytest.raises(IntegrityError, match="not in canonical form"):
        read(pack(tmp_path / "a.tar", head, content), key)


def test_archive_whose_list_is_nested_too_deeply_is_refused(key, tmp_path) -> None:
    with pytest.raises(IntegrityError, match="not a signed list"):
        read(pack(tmp_path / "a.tar", b"[" * 200_000, {}), key)


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "../weather"},
        {"model": 3},
        {"version": "0"},
        {"version": "1/../2"},
        {"exported_at": "yesterday"},
        {"exported_at": "2026-01-01T00:00:00"},
        {"exported_by": "x" * 1000},
        {"files": []},
        {"files": {}},
        {"files": [{"path": "a", "size": -1, "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": "1", "sha256": "0" * 64}]},
        {"files": [{"path": "a", "size": 1, "sha256": "zz"}]},
        {"files": [{"path": f"a{number}", "size": 1, "sha256": "0" * 64} for number in range(MAX_FILES + 1)]},
        {"surplus": 1},
    ],
)
def test_archive_whose_signed_list_holds_wrong_types_is_refused(changed: Any, key, content, tmp_path) -> None:
    with pytest.raises(IntegrityError, match=rf"{HEAD}: "):
        read(pack(tmp_path / "a.tar", signed(body_of(content, **changed), key), content), key)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:evil", "a\\evil", "a\nb", "", "."])
def test_archive_with_a_path_that_leads_out_is_refused_although_it_is_signed(name: str, key, tmp_path) -> None:
    found = {name: b"x"}
    with pytest.raises(IntegrityError, match="not a plain relative path"):
        read(pack(tmp_path / "a.tar", signed(body_of(found), key), {"a": b"x"}), key)
    assert not (tmp_path / "evil").exists()


def test_archive_with_a_path_twice_in_its_list_is_refused(key, content, tmp_path) -> None:
    body = body_of(content)
    body["files"].append(body["files"][0])
    with pytest.raises(IntegrityError, match="a path is listed twice"):
        read(pack(tmp_path / "a.tar", signed(body, key), content), key)


def raw_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return path


def info(name: str, size: int, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


def test_archive_with_a_member_twice_is_refused(key, tmp_path) -> None:
    head = signed(body_of({"a": b"x"}), key)
    twice = raw_tar(tmp_path / "a.tar", (info(HEAD, len(head)), head), (info("a", 1), b"x"), (info("a", 1), b"y"))
    with pytest.raises(IntegrityError, match="holds more than its signed list names"):
        read(twice, key)


def test_archive_with_members_in_another_order_is_refused(key, tmp_path) -> None:
    head = signed(body_of({"a": b"x", "b": b"y"}), key)
    other = raw_tar(tmp_path / "a.tar", (info(HEAD, len(head)), head), (info("b", 1), b"y"), (info("a", 1), b"x"))
    with pytest.raises(IntegrityError, match=r"the next member is 'b' .* expected the regular file 'a'"):
        read(other, key)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_archive_with_a_member_that_is_no_regular_file_is_refused(kind: bytes, key, tmp_path) -> None:
    head = signed(body_of({"a": b""}), key)
    path = raw_tar(tmp_path / "a.tar", (info(HEAD, len(head)), head), (info("a", 0, kind, "/etc/passwd"), b""))
    with pytest.raises(IntegrityError, match=r"the next member is 'a' of type .*, expected the regular file 'a'"):
        read(path, key)


def test_archive_whose_member_is_larger_than_listed_is_refused(key, tmp_path) -> None:
    head = signed(body_of({"a": b"x"}), key)
    path = raw_tar(tmp_path / "a.tar", (info(HEAD, len(head)), head), (info("a", 3), b"xyz"))
    with pytest.raises(IntegrityError, match="a: has 3 bytes, expected 1"):
        read(path, key)


def test_archive_whose_list_is_a_bomb_is_refused_before_it_is_read(key, tmp_path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(info(HEAD, 1 << 40).tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(IntegrityError, match=rf"{HEAD}: has {1 << 40} bytes, expected at most 1048576"):
        read(path, key)


def test_archive_whose_listed_files_are_a_bomb_is_refused_before_they_are_read(key, tmp_path) -> None:
    body = body_of({})
    body["files"] = [{"path": f"a{number}", "size": 1 << 30, "sha256": "0" * 64} for number in range(3)]
    with pytest.raises(IntegrityError, match="larger than 2147483648 bytes together"):
        read(pack(tmp_path / "a.tar", signed(body, key), {}), key)


def test_archive_that_is_cut_off_anywhere_is_refused(archive, key, tmp_path) -> None:
    raw, path = archive.read_bytes(), tmp_path / "cut.tar"
    with tarfile.open(archive) as tar:
        members = [(one.offset, one.offset_data + one.size // 2) for one in tar]
    for place in [0, 1, *(at for pair in members for at in pair)]:
        path.write_bytes(raw[:place])
        with pytest.raises(IntegrityError, match="cut off"):
            read(path, key)


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x1f\x8b" * 400, b"\x00" * 2048, b"text " * 500])
def test_file_that_is_no_archive_is_refused(raw: bytes, key, tmp_path) -> None:
    (tmp_path / "a.tar").write_bytes(raw)
    with pytest.raises(IntegrityError, match="no archive of `almanac export`"):
        read(tmp_path / "a.tar", key)


def test_folder_or_nothing_in_place_of_an_archive_is_named(key, tmp_path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(ConfigError, match="no file; expected what `almanac export` has written"):
            read(path, key)


# What somebody with a trusted key could write: each part is checked against the others.


def changed_json(content: Files, path: str, change: Callable[[Any], None]) -> Files:
    tree = json.loads(content[path])
    change(tree)
    return {**content, path: json.dumps(tree).encode()}


def with_hashes(content: Files) -> Files:
    """As somebody would who changes a file and then every hash that names it, but for the registry's record."""
    artifacts = {path.removeprefix(ARTIFACTS): data for path, data in content.items() if path.startswith(ARTIFACTS)}
    manifest = json.loads(artifacts[files.MANIFEST])
    for name, entry in manifest.items():
        if name in artifacts:
            entry["sha256"] = files.sha256(artifacts[name])
    return {**content, f"{ARTIFACTS}{files.MANIFEST}": json.dumps(manifest).encode()}


def with_record(content: Files) -> Files:
    """The same, and the record's hash of the manifest and of the graph too."""

    def change(tree: Any) -> None:
        tree["version"]["tags"][Tag.MANIFEST_SHA256] = files.sha256(found[f"{ARTIFACTS}{files.MANIFEST}"])
        tree["version"]["tags"][Tag.ONNX_SHA256] = files.sha256(found[GRAPH])

    found = with_hashes(content)
    return changed_json(found, RUN, change)


def set_f1(tree: Any) -> None:
    tree["metrics"]["holdout"]["f1"] = 1.0


def set_model(tree: Any) -> None:
    tree["model"] = "tides"


def other_graph(content: Files) -> bytes:
    """A graph that predicts otherwise: the thresholds of its trees are doubled."""
    import onnx

    graph = onnx.load_from_string(content[GRAPH])
    for node in graph.graph.node:
        for attribute in node.attribute:
            if attribute.name == "nodes_values":
                attribute.floats[:] = [2 * value + 1 for value in attribute.floats]
    raw: bytes = graph.SerializeToString()
    return raw


def with_graph(content: Files) -> Files:
    found = {**content, GRAPH: other_graph(content)}
    found = changed_json(found, PASSPORT, lambda tree: tree.update(onnx_sha256=files.sha256(found[GRAPH])))
    return with_record(found)


CHANGES: dict[str, tuple[Callable[[Files], Files], str]] = {
    "passport": (lambda found: changed_json(found, PASSPORT, set_f1), r"passport.json: the bytes are not what"),
    "passport and manifest": (
        lambda found: with_hashes(changed_json(found, PASSPORT, set_f1)),
        r"manifest.json: the bytes are not what was recorded",
    ),
    "passport of another model": (
        lambda found: with_record(changed_json(found, PASSPORT, set_model)),
        "its passport is of the model 'tides'",
    ),
    "graph": (lambda found: {**found, GRAPH: other_graph(found)}, r"model.onnx: the bytes are not what was recorded"),
    "graph and record": (
        lambda found: with_record({**found, GRAPH: other_graph(found)}),
        r"model.onnx: the bytes are not what was recorded; got SHA-256",
    ),
    "graph, record and passport": (with_graph, "its graph predicts otherwise here than where it was exported, by"),
    "graph that is none": (
        lambda found: with_record(
            changed_json(
                {**found, GRAPH: b"no graph"},
                PASSPORT,
                lambda tree: tree.update(onnx_sha256=files.sha256(b"no graph")),
            )
        ),
        "not a graph of an Almanac model",
    ),
    "features of the passport": (
        lambda found: with_record(changed_json(found, PASSPORT, lambda tree: tree["features"].reverse())),
        "its graph takes other features than its passport names",
    ),
    "pipeline": (
        lambda found: {**found, f"{ARTIFACTS}{files.PIPELINE}": b"a pickle"},
        r"pipeline.skops: the bytes are not what was recorded",
    ),
    "profile": (
        lambda found: {**found, f"{ARTIFACTS}{files.PROFILE}": b"{}"},
        r"profile.json: the bytes are not what was recorded",
    ),
    "declaration": (
        lambda found: {**found, f"{ARTIFACTS}{files.CONFIG}": b"{}"},
        r"model.yaml: the bytes are not what was recorded",
    ),
    "record of another version": (
        lambda found: changed_json(found, RUN, lambda tree: tree["version"].update(version="2")),
        "mlflow.json is of weather@2",
    ),
    "record without types": (
        lambda found: changed_json(found, RUN, lambda tree: tree["version"].update(tags=[1])),
        "mlflow.json: not a readable record of a version",
    ),
    "record without hashes": (
        lambda found: changed_json(found, RUN, lambda tree: tree["version"].update(tags={})),
        r"manifest.json: the bytes are not what was recorded; got .* expected none",
    ),
    "check without rows": (
        lambda found: {**found, CHECK: b'{"inputs": [], "probabilities": []}'},
        "check.json cannot be read: got",
    ),
    "check without predictions": (
        lambda found: changed_json(found, CHECK, lambda tree: tree.update(inputs=tree["inputs"][:1], probabilities=[])),
        "predicts otherwise here than where it was exported, by nan",
    ),
    "check of other types": (lambda found: {**found, CHECK: b"[]"}, "check.json cannot be read"),
    "a file too many": (lambda found: {**found, "model/weights.pkl": b"x"}, "has 'model/weights.pkl', no part of it"),
    "a pickle among its artifacts": (
        lambda found: {**found, f"{ARTIFACTS}model/model.pkl": b"x"},
        "has 'artifacts/model/model.pkl', no part of it",
    ),
    "own code that nothing names": (
        lambda found: {**found, f"own/{files.sha256(b'x')}.py": b"x"},
        r"its own features are the code \(none\), and it holds",
    ),
    **{
        f"no {name}": (
            lambda found, name=name: {path: data for path, data in found.items() if path != name},
            f"has no '{name}'",
        )
        for name in (GRAPH, PASSPORT, RUN, CHECK)
    },
}


@pytest.mark.parametrize("what", CHANGES)
def test_content_whose_parts_do_not_belong_together_is_refused_although_it_is_signed(what: str, content) -> None:
    change, words = CHANGES[what]
    with pytest.raises(AlmanacError, match=words):
        check_content("weather", "1", change(dict(content)), "here")


def test_import_of_a_tampered_archive_is_recorded_and_told_and_changes_nothing(emptied, archive, tmp_path) -> None:
    site, path = emptied(), tmp_path / "bent.tar"
    raw = archive.read_bytes()
    path.write_bytes(raw[:-20_000] + bytes([raw[-20_000] ^ 1]) + raw[-19_999:])
    with pytest.raises(IntegrityError, match="the bytes are not what was signed"):
        site.take(path)
    (decision,) = site.journal.decisions("weather", DecisionKind.IMPORT) or site.journal.decisions(
        "", DecisionKind.IMPORT
    )
    assert (decision.accepted, decision.subject, decision.run.started_by) == (False, "bent.tar", "grace")
    (alert,) = AlertLog(site.journal).unclosed()
    assert (alert.kind, alert.told_at, alert.message.runbook) == ("import", None, "docs/operations.md#alert-import")
    assert not (site.home.home / "mlflow.db").exists()  # the registry was not even asked


def test_head_that_was_read_is_what_was_signed(key, content) -> None:
    head = ArchiveHead.model_validate(body_of(content))
    assert json.loads(signed_head(head, key))["body"]["files"][0] == head.files[0].model_dump()
    assert isinstance(head.files[0], ArchivedFile)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([f"n{number}" for number in range(MAX_FILES + 1)], "cannot be exported: files: .* at most 2000 items"),
        (["artifacts/program/native/" + "w" * 150], "cannot be exported: name is too long. Give the file a shorter"),
    ],
)
def test_export_of_what_no_archive_holds_says_so_and_leaves_no_file(key, tmp_path, names, words) -> None:
    facts = {"model": "weather", "version": "1", "exported_by": "ada", "almanac": "0.2.0"}
    with pytest.raises(ConfigError, match=words):
        write_archive(tmp_path / "a.tar", dict.fromkeys(names, b""), key, now=NOW, **facts)
    assert list(tmp_path.iterdir()) == []
