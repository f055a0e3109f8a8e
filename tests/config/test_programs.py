"""A candidate that a program trains, as a YAML file declares it."""

import shutil
from pathlib import Path

import pytest

from almanac.config.files.loader import load_model
from almanac.config.home import MODELS_FOLDER
from almanac.config.program_code import known_program
from almanac.errors import ConfigError
from tests.training.conftest import change  # noqa: F401 - a fixture

CANDIDATES = """
train:
  candidates:
    mine: {{program: {program}{more}}}
    logistic: {{estimator: sklearn.linear_model.LogisticRegression, scale: true}}
"""


@pytest.fixture
def declare(tmp_path: Path):
    for name in ("_defaults.yaml", "weather.yaml"):
        shutil.copy(Path(MODELS_FOLDER) / name, tmp_path / name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.py").write_text("pass\n")
    text = (tmp_path / "weather.yaml").read_text()

    def declare(program: str = "mine/train.py", more: str = ""):
        import yaml

        tree = yaml.safe_load(text)
        tree["train"] = {
            **tree.get("train", {}),
            **yaml.safe_load(CANDIDATES.format(program=program, more=more))["train"],
        }
        (tmp_path / "weather.yaml").write_text(yaml.safe_dump(tree))
        return load_model(tmp_path / "weather.yaml")

    return declare


def test_program_stands_beside_estimators_with_the_hash_of_its_files(declare) -> None:
    model = declare(more=", params: {depth: 3}, limits: {time: 2h}")
    mine = model.train.programs["mine"]
    assert known_program(mine.sha256) == {"train.py": b"pass\n"}
    assert (mine.limits.time.total_seconds(), mine.limits.memory_mb) == (7200, 4096)
    assert "logistic" in model.train.estimators


def test_program_can_be_the_candidate_that_is_continued_if_it_says_so(declare, change) -> None:  # noqa: F811
    model = declare(more=", continues: true")
    mine = {"mine": model.train.candidates["mine"].model_dump()}
    assert change(model, "train", mode="incremental", candidates=mine).train.mode == "incremental"
    mine["mine"]["continues"] = False
    with pytest.raises(ValueError, match=r"mode incremental needs a candidate .*or a program with continues: true"):
        change(model, "train", mode="incremental", candidates=mine)


@pytest.mark.parametrize(
    ("program", "more", "words"),
    [
        ("mine/none.py", "", r"none.py: there is no such file; expected the program"),
        ("train.py", "", r"candidates.mine.program: got 'train.py', expected a Python file in a folder of its own"),
        ("../mine/train.py", "", r"program: got '../mine/train.py', expected a Python file in a folder"),
        ("/etc/mine/train.py", "", r"program: got '/etc/mine/train.py', expected a Python file in a folder"),
        ("mine/train.py", ", sha256: abc", r"candidates.mine.sha256: is computed from the files"),
        ("mine/train.py", ", environment: keras", r"keras.lock: .*environment lock keras"),
        ("mine/train.py", ", environment: ../up", r"candidates.mine.environment: not a slug"),
        ("mine/train.py", ", scale: true", r"candidates.mine.scale: unknown key"),
        ("mine/train.py", ", limits: {memory_mb: 0}", r"candidates.mine.limits.memory_mb: "),
    ],
)
def test_program_that_is_declared_wrongly_is_refused_in_words(declare, program, more, words) -> None:
    with pytest.raises(ConfigError, match=words):
        declare(program, more)
