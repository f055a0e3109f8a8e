"""A YAML key that was renamed is accepted with a warning, wherever it may stand. Today none is; these are made up."""

import shutil
from pathlib import Path

import pytest

from almanac.config.files import loader
from almanac.config.files.former_keys import FormerKey
from almanac.config.files.loader import load_installation, load_models
from almanac.config.home import MODELS_FOLDER

POLL = FormerKey("source.pace", "source.poll", "9.2")
MOVED = FormerKey("pace", "source.poll", "9.2")
DISK = FormerKey("fullest_disk", "max_disk_share", "9.2")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return shutil.copytree(MODELS_FOLDER, tmp_path / "models")


@pytest.fixture
def former(monkeypatch: pytest.MonkeyPatch):
    """Make keys the former ones."""

    def made(*keys: FormerKey) -> None:
        monkeypatch.setattr(loader, "OF_MODELS", keys)
        monkeypatch.setattr(loader, "OF_INSTALLATION", keys)

    return made


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("key", "text"), [(POLL, "source: {pace: 7s}\n"), (MOVED, "pace: 7s\n")], ids=["renamed", "moved to a section"]
)
def test_former_key_of_a_model_counts_as_the_new_one_and_is_warned_of(models: Path, former, key, text: str) -> None:
    former(key)
    with (models / "weather.yaml").open("a") as stream:
        stream.write(text)
    with pytest.warns(
        FutureWarning, match=rf"weather\.yaml: {key.old} is called source\.poll now; .* from version 9\.2"
    ):
        loaded = load_models(models)
    assert loaded.problems == ()
    assert loaded.models[0].source.poll.total_seconds() == 7


def test_former_key_in_the_defaults_is_weaker_than_the_new_one_of_a_model(models: Path, former) -> None:
    former(POLL)
    change(models / "_defaults.yaml", "  poll: 2s", "  pace: 9s")
    with (models / "weather.yaml").open("a") as stream:
        stream.write("source: {poll: 7s}\n")
    with pytest.warns(FutureWarning, match=r"_defaults\.yaml: source\.pace is called"):
        (model,) = load_models(models).models
    assert model.source.poll.total_seconds() == 7


def test_former_key_beside_the_new_one_is_a_problem_of_that_file(models: Path, former) -> None:
    former(POLL)
    with (models / "weather.yaml").open("a") as stream:
        stream.write("source: {pace: 7s, poll: 8s}\n")
    (problem,) = load_models(models).problems
    assert "source.pace is the former name of source.poll, which is there too; remove source.pace" in problem


def test_former_key_of_the_installation_counts_as_the_new_one(models: Path, former) -> None:
    former(DISK)
    change(models / "_installation.yaml", "max_disk_share: 0.9", "fullest_disk: 0.5")
    with pytest.warns(FutureWarning, match=r"_installation\.yaml: fullest_disk is called max_disk_share now"):
        assert load_installation(models).max_disk_share == 0.5


def test_key_that_is_no_former_one_stays_unknown(models: Path) -> None:
    with (models / "weather.yaml").open("a") as stream:
        stream.write("source: {pace: 7s}\n")
    (problem,) = load_models(models).problems
    assert "source.pace: unknown key" in problem
