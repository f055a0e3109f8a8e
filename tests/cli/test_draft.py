"""`almanac draft` in a folder that declares nothing yet: that of a new project."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from tests.training.number_labels.load import make_load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    make_load(24 * 60).write_csv(tmp_path / "load.csv")
    return tmp_path / "models"


def draft(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["draft", "load", str(folder.parent / "load.csv"), *arguments])


def test_draft_into_an_empty_folder_brings_what_all_models_have_in_common(folder: Path) -> None:
    done = draft(folder, "--label", "Load")
    assert done.exit_code == 0, done.output
    assert (folder / "_defaults.yaml").read_bytes() == (MODELS_FOLDER / "_defaults.yaml").read_bytes()
    assert find_model(folder, "load").name == "load"


def test_draft_leaves_the_defaults_of_a_folder_as_they_are(folder: Path) -> None:
    folder.mkdir()
    own = (MODELS_FOLDER / "_defaults.yaml").read_text("utf-8") + "# ours\n"
    (folder / "_defaults.yaml").write_text(own, "utf-8")
    assert draft(folder, "--label", "Load").exit_code == 0
    assert (folder / "_defaults.yaml").read_text("utf-8") == own


def test_draft_that_makes_no_model_leaves_the_folder_empty(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("almanac.draft.draft.draft", lambda *_: "title: no model\n")
    assert draft(folder, "--label", "Load").exit_code != 0
    assert list(folder.iterdir()) == []
