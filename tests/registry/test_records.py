"""What tags and the manifest say is read strictly: users of MLflow can change both."""

import json

import pytest

from almanac.errors import IntegrityError, RegistryError
from almanac.registry.files import read_manifest
from almanac.registry.records import Logged, ModelVersion, Tag

SHA256 = "a" * 64


def logged(**tags: str) -> Logged:
    return Logged("weather", "r1", {Tag[name]: text for name, text in tags.items()})


def test_logged_without_a_threshold_has_the_half_of_earlier_releases() -> None:
    assert logged().threshold == 0.5
    assert logged(THRESHOLD="0.125").threshold == 0.125


@pytest.mark.parametrize("text", ["nan", "inf", "-0.1", "1.5", "half", ""])
def test_logged_threshold_that_is_no_probability_is_refused(text: str) -> None:
    words = rf"^weather, MLflow run r1: tag almanac.threshold: got {text!r}, expected a probability"
    with pytest.raises(RegistryError, match=words):
        _ = logged(THRESHOLD=text).threshold


@pytest.mark.parametrize("text", ["[]", "{", '{"f1": "high"}', '{"f1": null}', "[" * 4000])
def test_logged_figures_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(RegistryError, match=r"tag almanac.metrics: got .*, expected figures by metric, as JSON"):
        _ = logged(METRICS=text).holdout_metrics


@pytest.mark.parametrize("text", ["[]", "{", '{"sky": "new"}', "[" * 4000])
def test_logged_joined_versions_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(RegistryError, match=r"tag almanac.joined_versions: got .*, expected numbers by model, as JSON"):
        _ = logged(JOINED_VERSIONS=text).joined


def test_title_names_the_run_or_the_version() -> None:
    assert logged().title == "weather, MLflow run r1"
    assert ModelVersion("weather", "r1", {}, version="3").title == "weather@3"


def test_read_manifest_gives_the_hash_of_each_file_and_ignores_what_it_does_not_know() -> None:
    text = json.dumps({"passport.json": {"sha256": SHA256, "size_bytes": 3, "colour": "red"}})
    assert read_manifest(text.encode(), "here") == {"passport.json": SHA256}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Invalid JSON: EOF"),
        (b"[]", "got [], expected to be an object"),
        (b'{"passport.json": "ab"}', "passport.json: got 'ab', expected to be an object"),
        (b'{"passport.json": {}}', "passport.json.sha256 is missing"),
        (b'{"passport.json": {"sha256": 3}}', "passport.json.sha256: got 3, expected to be a valid string"),
    ],
)
def test_read_manifest_of_what_is_none_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(IntegrityError) as caught:
        read_manifest(content, "weather@3: manifest.json")
    assert str(caught.value).startswith(f"weather@3: manifest.json: not a readable manifest: {words}")
