"""Files that do not say when each row was: customers, patients, findings. What is assumed is said, and passes."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import find_model
from almanac.draft.trial import in_words, try_file
from almanac.errors import ConfigError
from tests.data.installation import NOW
from tests.training.arrivals import as_csv, make_patients


def customers() -> str:
    """A name for each that is a text, a yes-no label at the end, blanks in a number."""
    draw, rows = random.Random(1), ["customerID,gender,tenure,Contract,TotalCharges,Churn"]
    for number in range(1500):
        tenure, contract = draw.randrange(72), draw.choice(["Month-to-month", "One year", "Two year"])
        leaves = draw.random() < (0.5 if contract == "Month-to-month" and tenure < 20 else 0.1)
        paid = f"{tenure * draw.uniform(20, 110):.2f}" if tenure else " "
        gender = draw.choice(["Female", "Male"])
        rows.append(f"{number:04}-{draw.choice('ABCDEF')}XYZ,{gender},{tenure},{contract},{paid},{_yes(leaves)}")
    return "\n".join(rows) + "\n"


def patients() -> str:
    """No header, numbers alone, the label 0 or 1."""
    return as_csv(make_patients(768).drop("patient", "ward").with_columns(ill=_one_or_zero())).split("\n", 1)[1]


def findings() -> str:
    """Six numbers and a rare class of two texts with quotes; a third of the rows are copies of others."""
    draw = random.Random(3)
    rows = [[f"{draw.gauss(0, 1):.3f}" for _ in range(6)] for _ in range(2000)]
    rows = [[*row, "'1'" if float(row[0]) + float(row[3]) > 2.4 else "'-1'"] for row in rows]
    rows += draw.choices(rows, k=1000)
    return "\n".join([f"{','.join(f'attr{n}' for n in range(1, 7))},class", *map(",".join, rows)]) + "\n"


def visits() -> str:
    """Several rows for each customer, and nothing that identifies a row but its number."""
    draw, rows = random.Random(4), ["RowNumber,CustomerId,Surname,Age,Balance,Exited"]
    for number in range(1, 1801):
        customer, age = draw.randrange(500), draw.randrange(18, 80)
        exited = int(draw.random() < (0.6 if age > 55 else 0.1))
        rows.append(f"{number},{15_000_000 + 7 * customer},Name{customer},{age},{draw.uniform(0, 9e4):.2f},{exited}")
    return "\n".join(rows) + "\n"


def _yes(is_so: bool) -> str:
    return "Yes" if is_so else "No"


def _one_or_zero():
    import polars as pl

    return (pl.col("ill") == "yes").cast(pl.Int8)


@dataclass(frozen=True)
class Timeless:
    """A file without times: what is said of it, and what must be found."""

    content: Callable[[], str]
    options: tuple[str, ...]
    rows: int
    label: tuple[str, str]
    key: tuple[str, ...] = ()
    group: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    not_features: tuple[str, ...] = field(default=())


FILES = {
    "customers": Timeless(
        customers,
        (),
        1500,
        ("Churn", "Yes"),
        key=("customerID",),
        says=("customerID identifies a row: a later file with it brings a newer state of the row",),
        not_features=("customerID",),
    ),
    "patients": Timeless(
        patients,
        ("--columns", "age,pressure,glucose,ill"),
        768,
        ("ill", "1"),
        says=("Nothing identifies a row", "Copies of a row never stand on both sides of a split"),
    ),
    "findings": Timeless(findings, (), 3000, ("class", "'1'")),
    "visits": Timeless(
        visits,
        (),
        1800,
        ("Exited", "1"),
        group=("CustomerId",),
        says=("Rows of one CustomerId never stand on both sides of a split", "RowNumber only numbers the rows"),
        not_features=("CustomerId", "RowNumber", "Surname"),
    ),
}


@pytest.fixture(name="run")
def _run(folder: Path, monkeypatch):
    monkeypatch.setenv("ALMANAC_MODELS", str(folder))
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.mark.parametrize("name", FILES)
def test_draft_of_a_file_without_times_is_a_model_that_takes_it(run, folder: Path, tmp_path: Path, name: str) -> None:
    file, path = FILES[name], tmp_path / f"{name}.csv"
    path.write_text(file.content(), "utf-8")
    done = run("draft", name, str(path), "--yes", *file.options)
    assert done.exit_code == 0, (done.output, done.exception)
    plain = " ".join(done.output.split())
    assert "The rows have no time: the arrival of each file stands for it" in plain
    assert [text for text in file.says if text not in plain] == []
    model = find_model(folder, name)
    assert (model.dataset.is_arrival, model.dataset.has_key) == (True, bool(file.key))
    assert (model.dataset.group, (model.label.column, model.label.equals)) == (file.group, file.label)
    assert not file.key or (model.dataset.key, model.dataset.corrections) == (file.key, "replace")
    assert not {column for feature in model.features for column in feature.columns} & set(file.not_features)
    trial = try_file(model, path, now=NOW)
    assert trial.problems == (), in_words(trial)
    assert (trial.published, trial.quarantined, trial.labelled) == (file.rows, 0, file.rows)
    assert 0.05 * file.rows < trial.judged < 0.25 * file.rows
    assert {kind for kind, _ in trial.baselines} == {"majority", "stump"}


def test_draft_of_a_file_without_times_takes_files_without_the_label_too(run, folder: Path, tmp_path: Path) -> None:
    path, unlabelled = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(customers(), "utf-8")
    unlabelled.write_text("\n".join(line.rsplit(",", 1)[0] for line in customers().splitlines()) + "\n", "utf-8")
    assert run("draft", "customers", str(path), "--yes").exit_code == 0
    trial = try_file(find_model(folder, "customers"), unlabelled, now=NOW)
    assert (trial.published, trial.quarantined) == (1500, 0)


def test_draft_asks_whether_there_is_no_time_and_writes_nothing_unasked(run, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(customers(), "utf-8")
    done = run("draft", "customers", str(path), "--label", "Churn", "--equals", "Yes", "--json")
    assert (done.exit_code, list(folder.glob("customers*"))) == (2, [])
    (question,) = json.loads(done.stdout)["questions"]
    assert (question["option"], question["proposal"]) == ("--time", "arrival")
    assert "no column of times" in question["text"]
    answered = run("draft", "customers", str(path), "--label", "Churn", "--equals", "Yes", "--time", "arrival")
    assert answered.exit_code == 0, answered.output


def test_draft_of_a_horizon_without_a_time_is_refused(run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(customers(), "utf-8")
    done = run("draft", "customers", str(path), "--yes", "--time", "arrival", "--horizon", "1d")
    assert isinstance(done.exception, ConfigError)
    assert "--horizon: the rows have no time, so nothing lies ahead of them" in str(done.exception)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--key", "gender"), "--key: 1498 of 1500 rows have the gender of another row"),
        (("--key", "Nobody"), "--key: no column 'Nobody'"),
        (("--group", "Nobody"), "--group: no column 'Nobody'"),
    ],
)
def test_draft_of_an_identity_that_cannot_be_is_refused(run, tmp_path: Path, options, fault: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(customers(), "utf-8")
    done = run("draft", "customers", str(path), "--yes", *options)
    assert isinstance(done.exception, ConfigError)
    assert fault in str(done.exception)


def test_draft_of_a_group_of_a_table_with_times_is_refused(run, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = "".join(f"2024-01-{day:02}T{hour:02}:00:00Z,{hour % 5}\n" for day in range(1, 29) for hour in range(24))
    path.write_text(f"at,x\n{rows}", "utf-8")
    done = run("draft", "timed", str(path), "--yes", "--group", "x")
    assert isinstance(done.exception, ConfigError)
    assert "--group: folds of a table with a time are cut by that" in str(done.exception)
