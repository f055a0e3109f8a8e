"""`almanac draft`: what is written and when, what is asked, and what a program gets instead of questions."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from almanac.draft.draft import draft_model
from almanac.draft.trial import DraftTrial
from almanac.errors import ConfigError
from tests.training.number_labels.load import make_load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of declarations, not made yet; beside it lies `load.csv`. No file is tried: other tests do that."""
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ALMANAC_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr("almanac.draft.trial.try_files", lambda *_, **__: DraftTrial(rows_read=1440))
    make_load(24 * 60).write_csv(tmp_path / "load.csv")
    return tmp_path / "models"


def draft(folder: Path, *arguments: str, file: str = "load.csv") -> Result:
    return CliRunner().invoke(app, ["draft", "load", str(folder.parent / file), *arguments])


@pytest.fixture
def person(monkeypatch: pytest.MonkeyPatch):
    """`person("yes", "4h")`: somebody at a terminal who types these lines."""

    def at_terminal(folder: Path, *lines: str, file: str = "load.csv") -> Result:
        def no_program(**_: object) -> object:
            from almanac.cli.declarations.draft import _ask_person

            return _ask_person

        monkeypatch.setattr("almanac.cli.declarations.draft._asks", no_program)
        words = ["draft", "load", str(folder.parent / file)]
        return CliRunner().invoke(app, words, input="".join(f"{line}\n" for line in lines))

    return at_terminal


def events(folder: Path, times: str = "2021-01-{:02d} 0{}:00") -> None:
    """`events.csv`: 200 rows, whose days may be months where `times` says so, with a text as the label."""
    rows = [f"{times.format(n // 10 % 9 + 1, n % 10)},{n % 7}.5,{'good' if n % 5 else 'bad'}" for n in range(90)]
    (folder.parent / "events.csv").write_text("\n".join(["At,x,Mood", *rows]) + "\n", "utf-8")


def test_draft_into_an_empty_folder_brings_what_all_models_have_in_common(folder: Path) -> None:
    done = draft(folder, "--label", "Load")
    assert done.exit_code == 0, done.output
    assert (folder / "_defaults.yaml").read_bytes() == (MODELS_FOLDER / "_defaults.yaml").read_bytes()
    assert (folder / "_schema.json").exists()
    assert find_model(folder, "load").name == "load"


def test_draft_leaves_the_defaults_of_a_folder_as_they_are(folder: Path) -> None:
    folder.mkdir()
    own = (MODELS_FOLDER / "_defaults.yaml").read_text("utf-8") + "# ours\n"
    (folder / "_defaults.yaml").write_text(own, "utf-8")
    assert draft(folder, "--label", "Load").exit_code == 0
    assert (folder / "_defaults.yaml").read_text("utf-8") == own


def test_draft_that_makes_no_model_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_model(*arguments) -> object:
        return replace(draft_model(*arguments), text="title: no model\n")

    monkeypatch.setattr("almanac.draft.draft.draft_model", no_model)
    done = draft(folder, "--label", "Load")
    assert isinstance(done.exception, ConfigError)
    assert not folder.exists()


def test_draft_is_not_in_the_folder_while_it_is_tried(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def tried(*_: object, **__: object) -> DraftTrial:
        seen.append((folder / "load.yaml").exists())
        return DraftTrial(problems=("the trial failed",))

    monkeypatch.setattr("almanac.draft.trial.try_files", tried)
    done = draft(folder, "--label", "Load")
    assert "the trial failed" in str(done.exception)
    assert seen == [False]
    assert not folder.exists()


def test_draft_shows_each_column_with_its_role_and_why(folder: Path) -> None:
    output = draft(folder, "--label", "Load", "--horizon", "4h").output
    assert "load.csv: csv, 1,440 rows, 1h apart" in output
    assert max(map(len, output.split("is written and valid")[0].splitlines())) <= 80 + len(str(folder))
    assert re.search(r"^ *Temperature +float .*feature: a", output, re.MULTILINE)
    assert re.search(r"^ *Load .* label: its", output, re.MULTILINE)


def test_draft_without_a_terminal_says_which_options_it_needs(folder: Path) -> None:
    events(folder)
    done = draft(folder, file="events.csv")
    assert done.exit_code == 2
    assert "--label 'Mood': Which column should be predicted?" in done.stderr
    done = draft(folder, "--label", "Mood", file="events.csv")
    assert done.exit_code == 2
    assert "--equals 'bad': Which value of Mood counts as yes?" in done.stderr
    assert "one of bad, good" in done.stderr
    assert not folder.exists()


def test_draft_with_json_gives_the_open_questions_to_a_program(folder: Path) -> None:
    events(folder)
    done = draft(folder, "--label", "Mood", "--json", file="events.csv")
    assert done.exit_code == 2
    (question,) = json.loads(done.stdout)["questions"]
    assert (question["option"], question["proposal"], question["choices"]) == ("--equals", "bad", ["bad", "good"])
    assert question["answer"] is None


def test_draft_with_yes_takes_what_is_proposed(folder: Path) -> None:
    events(folder)
    done = draft(folder, "--yes", file="events.csv")
    assert done.exit_code == 0, done.output
    label = find_model(folder, "load").label
    assert (label.column, label.equals) == ("Mood", "bad")


def test_draft_with_json_says_what_a_person_sees(folder: Path) -> None:
    done = draft(folder, "--label", "Load", "--json")
    found = json.loads(done.stdout)
    assert (found["rows"], found["label"], found["horizon_s"], found["key"]) == (1440, "Load", 3600, ["Hour"])
    assert found["path"] == str(folder / "load.yaml")
    roles = {column["name"]: column["role"] for column in found["columns"]}
    assert (roles["Load"], roles["Temperature"]) == ("label", "feature")
    assert [(one["option"], one["answer"]) for one in found["questions"]] == [("--horizon", "1h")]
    assert found["trial"]["rows_read"] == 1440


def test_draft_at_a_terminal_shows_the_table_and_asks_again_where_an_answer_cannot_be(folder: Path, person) -> None:
    events(folder)
    done = person(folder, "Nothing", "Mood", "", "4h", file="events.csv")
    assert done.exit_code == 0, done.output
    assert "--label: got 'Nothing', expected one of ['x', 'Mood']" in done.output
    assert done.output.index("feature: a") < done.output.index("Which column should be predicted?")
    label = find_model(folder, "load").label
    assert (label.column, label.equals, label.horizon.total_seconds()) == ("Mood", "bad", 4 * 3600)


def test_draft_asks_whether_days_or_months_come_first_where_both_fit(folder: Path, person) -> None:
    rows = [f"{day}/{month}/2011 0{hour}:00,{day}.5" for day in (1, 3, 2) for month in (2, 1) for hour in range(9)]
    (folder.parent / "days.csv").write_text("\n".join(["At,x", *rows]) + "\n", "utf-8")
    done = draft(folder, "--label", "x", file="days.csv")
    assert done.exit_code == 2
    assert "can be read in 2 ways in all rows, for example '" in done.stderr
    done = person(folder, "%m/%d/%Y %H:%M", "x", "1h", file="days.csv")
    assert done.exit_code == 0, done.output
    assert find_model(folder, "load").dataset.columns["At"].format == "%m/%d/%Y %H:%M"


def test_draft_from_two_files_takes_the_rows_of_both(folder: Path) -> None:
    lines = (folder.parent / "load.csv").read_text("utf-8").splitlines(keepends=True)
    (folder.parent / "load.csv").write_text("".join(lines[:700]), "utf-8")
    (folder.parent / "more.csv").write_text("".join([lines[0], *lines[700:]]), "utf-8")
    done = draft(folder, str(folder.parent / "more.csv"), "--label", "Load", "--json")
    assert json.loads(done.stdout)["rows"] == 1440
    (folder.parent / "other.csv").write_text("Hour,y\n2021-01-01T00:00:00Z,1\n", "utf-8")
    done = draft(folder, str(folder.parent / "other.csv"), "--label", "Load", "--show")
    assert "other.csv: other columns than load.csv" in str(done.exception)
