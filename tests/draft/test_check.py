"""`check` and `draft` try a declaration on a file: nothing is published, what could never pass is not called valid."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.draft.draft import Wish
from almanac.draft.trial import in_words, try_file
from almanac.errors import AlmanacError, ConfigError
from tests.data.installation import NOW
from tests.draft.drafting import draft

START = datetime(2020, 1, 1, tzinfo=UTC)


def hourly(rows: int, *, bad: int = 0) -> str:
    draw = random.Random(1)
    lines = [f"{START + timedelta(hours=n):%Y-%m-%dT%H:%M:%SZ},{draw.randrange(9)}\n" for n in range(rows)]
    return "At,x\n" + "".join(lines) + "".join(f"{START - timedelta(hours=n + 1):%Y-%m-%d},7\n" for n in range(bad))


@pytest.fixture
def run(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALMANAC_MODELS", str(folder))
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "home"))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What is drafted from two thousand hours."""
    path = tmp_path_factory.mktemp("hourly") / "x.csv"
    path.write_text(hourly(2000), "utf-8")
    return draft("x", path, Wish("x"))


@pytest.fixture
def drafted(folder: Path, tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.csv"
    path.write_text(hourly(2000), "utf-8")
    (folder / "x.yaml").write_text(text, "utf-8")
    return path


def test_check_says_what_would_be_published_judged_and_beaten_and_writes_nothing(run, drafted, tmp_path) -> None:
    done = run("check", "x", str(drafted))
    assert done.exit_code == 0, done.output
    assert "2000 records: 2000 rows would be published, 0 quarantined, 0 dropped" in done.output
    assert "a first training would be judged on " in done.output
    assert "The one to beat is " in done.output
    assert not (tmp_path / "home").exists()


def test_check_with_json_gives_the_same_to_a_program(run, drafted) -> None:
    found = json.loads(run("check", "x", str(drafted), "--json").output)
    assert (found["file"], found["rows_read"], found["published"], found["problems"]) == ("x.csv", 2000, 2000, [])


def test_check_takes_a_file_without_a_line_end_at_its_end(run, drafted) -> None:
    drafted.write_text(hourly(2000).rstrip("\n"), "utf-8")
    assert "2000 records: 2000 rows would be published" in run("check", "x", str(drafted)).output


def test_check_takes_the_newest_landed_file(run, drafted, tmp_path) -> None:
    assert isinstance(run("check", "x").exception, ConfigError)
    landing = tmp_path / "home" / "landing" / "x"
    landing.mkdir(parents=True)
    (landing / "later.csv").write_text(hourly(2000), "utf-8")
    assert run("check", "x").output.startswith("later.csv, tried in a scratch home")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["landing"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.csv", hourly(40), "problem: training: "),
        ("x.csv", hourly(2000, bad=3), "breaks At.type: 3 rows"),
        ("x.csv", hourly(10, bad=90), "problem: 90 of 100 rows are bad"),
        ("x.csv", "At,y\n2020-01-01T00:00:00Z,3\n", "problem: x.csv: schema: required column missing: x"),
        ("x.csv", "", "problem: x.csv: empty file"),
        ("x.json", "{}", "problem: source.patterns: x.json would not be taken; expected a name like ['*.csv']"),
    ],
)
def test_check_says_why_a_file_would_not_do(run, drafted, tmp_path, name: str, content: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    done = run("check", "x", str(path))
    assert said in done.output
    assert done.exit_code == (1 if "problem" in done.output else 0)


def test_draft_of_a_file_that_no_model_can_be_trained_on_writes_nothing(run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("At,x\n2020-01-01T00:00:00Z,3\n2020-01-01T01:00:00Z,4\n2020-01-01T02:00:00Z,5\n", "utf-8")
    done = run("draft", "few", str(path), "--label", "x")
    assert isinstance(done.exception, ConfigError), done.output
    assert "tried on the file, and nothing is written" in str(done.exception)
    assert not (folder / "few.yaml").exists()


FORMATS = ("%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M", "%m/%d/%y %I:%M %p", "%Y%m%d %H%M", "%b %d, %Y %H:%M")


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """How a made-up table is written: its signs, its times, its columns, its gaps."""
    return {
        "delimiter": draw(st.sampled_from(",;\t|")),
        "comma": draw(st.booleans()),
        "time": draw(st.sampled_from(FORMATS)),
        "title": draw(st.sampled_from(["", "Report of the month\n\n"])),
        "nothing": draw(st.sampled_from(["", "NA", "-", "NULL"])),
        "numbered": draw(st.booleans()),
        "shops": draw(st.integers(1, 3)),
        "yes": draw(st.booleans()),
        "encoding": draw(st.sampled_from(["utf-8", "cp1252", "utf-16"])),
        "end": draw(st.sampled_from(["\n", "\r\n"])),
        "seed": draw(st.integers(0, 9)),
    }


def written(how: dict[str, Any], rows: int = 700) -> bytes:
    draw, lines = random.Random(how["seed"]), []
    comma = how["comma"] and how["delimiter"] != ","
    for number in range(rows):
        for shop in range(how["shops"]):
            number_text = f"{draw.uniform(-50, 900):.2f}".replace(".", "," if comma else ".")
            cells = [
                *([str(len(lines) + 1)] if how["numbered"] else []),
                (START + timedelta(hours=number)).strftime(how["time"]),
                *([f"Laden {shop} ä"] if how["shops"] > 1 else []),
                number_text if draw.random() > 0.02 else how["nothing"],
                draw.choice(["ja", "nein", "vielleicht"]),
            ]
            quoted = [f'"{cell}"' if how["delimiter"] in cell else cell for cell in cells]
            lines.append(how["delimiter"].join(quoted))
    names = [*(["Nr"] if how["numbered"] else []), "Zeit", *(["Laden"] if how["shops"] > 1 else []), "Wert", "Urteil"]
    text = how["end"].join([how["delimiter"].join(names), *lines]) + how["end"]
    return (how["title"] + text).encode(how["encoding"])


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(how=tables())
def test_what_is_drafted_passes_its_check_or_a_person_is_asked(
    folder: Path, tmp_path: Path, how: dict[str, Any]
) -> None:
    path = tmp_path / "made.csv"
    path.write_bytes(written(how))
    wish = Wish("Urteil", equals="ja") if how["yes"] else Wish("Wert")
    try:
        text = draft("made", path, wish)
    except AlmanacError as error:
        assert "--" in str(error), f"{error} asks nobody"  # noqa: PT017 - whether it is refused is the question
        return
    (folder / "made.yaml").write_text(text, "utf-8")
    model = find_model(folder, "made")
    trial = try_file(model, path, now=NOW)
    assert trial.problems == (), (how, text, in_words(trial))
    assert (trial.rows_read, trial.quarantined) == (700 * how["shops"], 0), (how, text, in_words(trial))
