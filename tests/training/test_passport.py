"""The passport is written in one form and read in every form that was ever written; nothing else passes for one."""

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from almanac.errors import IntegrityError
from almanac.registry import files
from almanac.registry.records import Logged, ModelVersion
from almanac.training.category_mapping import CategoryMapping, FittedCategory
from almanac.training.export.parity import Disagreement, ParityPart, ParityReport
from almanac.training.leaks import LeakReport
from almanac.training.passport import Passport, PassportProgram, load_passport, read_passport
from tests.training.passports import LEAKS, RELEASED, changed, older, released, without

FLOATS = st.floats()
TEXTS = st.text(max_size=4)
COUNTS = st.integers(0, 2**70)
HASHES = st.integers(0, 2**256 - 1).map("{:064x}".format)
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0))


def mappings(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(TEXTS, values, max_size=1)


SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | TEXTS
JSON = SCALARS | mappings(SCALARS) | st.lists(SCALARS, max_size=2)
PARTS = st.builds(ParityPart, COUNTS, FLOATS, FLOATS, FLOATS, COUNTS, COUNTS, mappings(COUNTS))
DISAGREEMENTS = st.lists(st.builds(Disagreement, TEXTS, COUNTS, FLOATS, FLOATS, TEXTS), max_size=2).map(tuple)
LINE = st.builds(FittedCategory, TEXTS, COUNTS, st.lists(st.none() | FLOATS, max_size=2).map(tuple))
LINES = st.lists(LINE, max_size=2).map(tuple)
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "format": st.just(1),
    "mode": st.sampled_from(["scratch", "incremental"]),
    "label": mappings(JSON),
    "params": mappings(SCALARS),
    "threshold": st.floats(0, 1),
    "parity": st.builds(ParityReport, FLOATS, PARTS, PARTS, DISAGREEMENTS, TEXTS, FLOATS),
    "leaks": st.none() | st.builds(LeakReport, mappings(st.none() | FLOATS), st.none() | FLOATS, mappings(FLOATS)),
    "categories": st.lists(st.builds(CategoryMapping, TEXTS, TEXTS, TEXTS, LINES, LINE), max_size=2).map(tuple),
    "failed": mappings(TEXTS),
    "columns": st.lists(TEXTS, max_size=2).map(tuple),
    "features": st.lists(TEXTS, max_size=2).map(tuple),
    "joined_versions": mappings(COUNTS),
    "environment": mappings(TEXTS),
    "seed": st.integers(),
    "dirty": st.none() | st.booleans(),
    "training_sha256": HASHES | st.just(""),
    "features_sha256": HASHES | st.just(""),
    "declaration_sha256": HASHES | st.just(""),
    **dict.fromkeys(("sha256", "onnx_sha256"), HASHES),
    **dict.fromkeys(("labelled_until", "train_start", "train_end"), TIMES),
    **dict.fromkeys(("baselines", "segments"), mappings(mappings(FLOATS))),
    **dict.fromkeys(("train", "holdout", "validation", "scores", "seconds", "importance"), mappings(FLOATS)),
    **dict.fromkeys(("dataset_version", "labelled_rows", "train_rows", "holdout_rows", "trials", "try_number"), COUNTS),
}


def strategy_of(record: type) -> st.SearchStrategy[Any]:
    """Every record of this class; a field whose strategy is not known is a text, or a record itself."""
    fields = {}
    for field in dataclasses.fields(record):
        kind = field.type
        if field.name == "feature_metadata":
            from almanac.training.passport import PassportFeature

            fields[field.name] = st.lists(strategy_of(PassportFeature), max_size=2).map(tuple)
        elif field.name == "program":
            fields[field.name] = st.none() | st.builds(
                PassportProgram, TEXTS, HASHES, TEXTS, st.booleans(), HASHES, st.lists(TEXTS, max_size=2).map(tuple)
            )
        elif field.name in KNOWN:
            fields[field.name] = KNOWN[field.name]
        else:
            fields[field.name] = strategy_of(kind) if dataclasses.is_dataclass(kind) else TEXTS
    return st.builds(record, **fields)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])  # a busy machine
@given(strategy_of(Passport))
def test_passport_written_read_and_written_again_is_the_same_text(passport: Passport) -> None:
    text = passport.to_json()
    again = read_passport(text, "here")
    assert again.to_json() == text
    assert repr(again) == repr(passport)  # NaN equals nothing


def test_passport_of_the_release_is_read_and_written_with_the_same_fields_in_the_same_order() -> None:
    passport = read_passport(RELEASED, "here")
    assert passport.leaks is None
    assert (passport.data.train_rows, passport.data.train_end.tzinfo) == (released()["data"]["train_rows"], UTC)
    written = passport.to_json().replace('\n "leaks": null,', "", 1)
    assert written == RELEASED.rstrip("\n")


def test_passport_with_leaks_is_written_with_them_before_the_parent() -> None:
    tree = {}
    for name, value in released().items():
        tree |= {"leaks": LEAKS} if name == "parent_version" else {}
        tree[name] = value
    text = json.dumps(tree, indent=1)
    passport = read_passport(text, "here")
    assert passport.leaks == LeakReport(**LEAKS)
    assert passport.to_json() == text


@pytest.mark.parametrize("tree", older().values(), ids=list(older()))
def test_passport_from_before_the_release_is_read(tree: Mapping[str, Any]) -> None:
    passport = read_passport(json.dumps(tree), "here")
    assert passport.metrics.holdout == tree["metrics"]["holdout"]
    assert (passport.threshold, passport.leaks, passport.data.joined_versions) == (0.5, None, {})


def test_passport_with_fields_of_a_later_release_is_read_without_them() -> None:
    tree = {**changed("data.retention_days", 30), "carbon_g": 12}
    assert read_passport(json.dumps(tree), "here") == read_passport(RELEASED, "here")


@pytest.mark.parametrize("number", [2, 0, -1])
def test_passport_of_another_format_is_refused_whatever_else_it_holds(number: int) -> None:
    words = rf"v@3: passport.json: unknown format of a passport; got {number}, expected 1. A later Almanac wrote it"
    with pytest.raises(IntegrityError, match=words):
        read_passport(json.dumps({"format": number}), "v@3: passport.json")


REFUSED = {
    "data.train_rows": ("many", "got 'many', expected to be a valid integer"),
    "data.holdout_rows": (-1, "got -1, expected to be greater than or equal to 0"),
    "data.dataset_version": (True, "got True, expected to be a valid integer"),
    "data.labelled_rows": (1.5, "got 1.5, expected to be a valid integer"),
    "data.train_end": ("yesterday", "got 'yesterday', expected to be a valid datetime"),
    "data.train_start": ("2026-01-01T00:00:00", "got '2026-01-01T00:00:00', expected to be a time in UTC"),
    "data.labelled_until": ("2026-01-01T00:00:00+01:00", "expected to be a time in UTC"),
    "data.sha256": ("../../etc/passwd", "got '../../etc/passwd', expected to match pattern"),
    "onnx_sha256": ("F" * 64, "expected to match pattern"),
    "code.dirty": ("no", "got 'no', expected to be a valid boolean"),
    "code.training_sha256": ("abc", "got 'abc', expected to match pattern"),
    "declaration_sha256": ("abc", "expected to match pattern"),
    "mode": ("auto", "got 'auto', expected to be 'scratch' or 'incremental'"),
    "threshold": (1.5, "got 1.5, expected to be less than or equal to 1"),
    "seed": ("1", "got '1', expected to be a valid integer"),
    "metrics.holdout": ([0.5], "got [0.5], expected to be an object"),
    "metrics.segments": ({"spring": 0.5}, "got 0.5, expected to be an object"),
    "params": ({"max_depth": [1]}, "got [1], expected to be"),
    "parity.holdout": (None, "got None, expected"),
    "features": ("Humidity", "got 'Humidity', expected to be a valid array"),
    "parent_version": (3, "got 3, expected to be a valid string"),
    "model": (None, "got None, expected to be a valid string"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_passport_with_a_wrong_value_is_refused_with_its_place(path: str) -> None:
    value, words = REFUSED[path]
    with pytest.raises(IntegrityError) as caught:
        read_passport(json.dumps(changed(path, value)), "v@3: passport.json")
    message = str(caught.value)
    assert message.startswith(f"v@3: passport.json: not a readable passport: {path}")
    assert words in message
    assert message.endswith(". Restore the version from its backup, or train again")


def test_passport_threshold_that_is_no_number_is_refused() -> None:
    with pytest.raises(IntegrityError, match="threshold: got nan, expected to be a finite number"):
        read_passport(json.dumps(changed("threshold", float("nan"))), "here")


@pytest.mark.parametrize("path", ["model", "data", "data.train_end", "metrics.train", "parity", "code.commit"])
def test_passport_without_a_field_of_all_releases_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError, match=f"not a readable passport: {path} is missing. Restore"):
        read_passport(json.dumps(without(released(), (path,))), "here")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Invalid JSON: EOF"),
        (RELEASED[: len(RELEASED) // 2].encode(), "Invalid JSON: EOF"),
        (b"\xff\xfe{}", "Invalid JSON: expected value"),
        (b"[" * 100_000, "Invalid JSON: recursion limit exceeded"),
        (b"[]", "got [], expected to be an object"),
        (b"null", "got None, expected to be an object"),
        (b"{}", "format is missing"),
        (b'{"format": "1"}', "format: got '1', expected to be a valid integer"),
    ],
)
def test_passport_that_is_none_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(IntegrityError, match=f"here: not a readable passport: {re.escape(words)}"):
        read_passport(content, "here")


def test_passport_with_many_faults_names_three_and_shows_nothing_that_a_terminal_obeys() -> None:
    tree = changed("seconds", {f"\x1b[2J{number}" * 1000: "\x1b[2Jlong" * 1000 for number in range(50)})
    with pytest.raises(IntegrityError) as caught:
        read_passport(json.dumps(tree), "here")
    message = str(caught.value)
    assert "; and 47 more. Restore the version" in message
    assert "\x1b" not in message
    assert len(message) < 1000


class Shelf:
    """A registry with one file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def load_file(self, version: Logged, path: str) -> bytes:
        assert path == files.PASSPORT
        return self.content


def test_load_passport_names_the_version_or_the_run() -> None:
    assert load_passport(Shelf(RELEASED.encode()), Logged("weather", "r1", {})).model == "weather"
    with pytest.raises(IntegrityError, match=r"^weather@3: passport.json: not a readable passport"):
        load_passport(Shelf(b"{}"), ModelVersion("weather", "r1", {}, version="3"))
    with pytest.raises(IntegrityError, match=r"^weather, MLflow run r1: passport.json: not a readable passport"):
        load_passport(Shelf(b"{}"), Logged("weather", "r1", {}))


def test_passport_cannot_be_changed() -> None:
    passport = read_passport(RELEASED, "here")
    with pytest.raises(dataclasses.FrozenInstanceError):
        passport.data.train_rows = 1  # type: ignore[misc]


def test_utc_is_what_times_are_written_in() -> None:
    passport = dataclasses.replace(read_passport(RELEASED, "here"))
    data = dataclasses.replace(passport.data, train_end=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC))
    text = dataclasses.replace(passport, data=data).to_json()
    assert json.loads(text)["data"]["train_end"] == "2026-01-02T03:04:05.000600+00:00"
