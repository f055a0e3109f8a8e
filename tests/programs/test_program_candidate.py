"""A program beside an estimator: from the declaration to a version that scores."""

import json

import numpy as np
import pytest

from almanac.config.home import Home
from almanac.config.program_code import read_program
from almanac.config.schema import Model
from almanac.errors import ConfigError
from almanac.registry.onnx_model import OnnxModel
from almanac.training.passport import load_passport
from tests.programs.conftest import TINY
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.conftest import small  # noqa: F401 - a fixture
from tests.training.story import Story

SPOILT_WHEN_LAST = """
import json, polars, shutil
rows = polars.read_parquet("rows.parquet")
if len(rows) > {most}:
    raise SystemExit("too many rows for me")
shutil.copy("code/graph.onnx", "model.onnx")
"""


@pytest.fixture
def story(small, registry, tmp_path, team, request):  # noqa: F811 - fixtures
    def begin(script: str, **candidate) -> Story:
        team.write(script)
        declared = small.model_dump() | {"name": f"programs_{abs(hash(request.node.name)) % 10**9}"}
        declared["train"]["backtest"] = {"folds": 2, "fold": "10d", "min_train_rows": 500}
        declared["train"]["candidates"] = {
            "logistic": declared["train"]["candidates"]["logistic"],
            "mine": {
                "program": "mine/train.py",
                "sha256": read_program(team.models, "mine/train.py"),
                **candidate,
            },
        }
        declared["gates"]["champion"]["resamples"] = 100
        story = Story(Model.model_validate(declared), Home(home=tmp_path / "home"), registry)
        story.publish(24 * 60)
        return story

    return begin


def test_version_of_a_program_keeps_graph_code_natives_history_and_scores(story) -> None:
    story = story(TINY.read_text(), params={"epochs": 40, "learning_rate": 1.0}, learning={"epochs": 40})
    verdict, logged = story.run(candidates=["mine"])
    passport = load_passport(story.registry, logged)
    assert passport.estimator == "program mine/train.py"
    assert passport.program.program == "mine/train.py"
    assert passport.program.files == ("history.jsonl", "native/weights.npz")
    history = story.registry.load_file(logged, "program/history.jsonl").decode().splitlines()
    assert len(history) == 40
    assert json.loads(history[-1])["loss"] < json.loads(history[0])["loss"] < np.log(2)
    assert story.registry.load_file(logged, "program/code/train.py") == TINY.read_bytes()
    assert story.registry.load_file(logged, "program/native/weights.npz").startswith(b"PK")
    graph = OnnxModel(story.registry.load_onnx(logged))
    assert graph.features == passport.features
    results = [reason for reason in verdict.reasons if reason.startswith(("contract", "parity", "budget"))]
    assert len(results) == 0 or verdict.accepted, verdict.reasons
    assert passport.parity.holdout.max_difference == 0
    assert passport.metrics.holdout["roc_auc"] > 0.9
    assert not list(story.home.scratch.iterdir())


def test_program_that_fails_leaves_the_others_and_its_reason_in_the_decision(story) -> None:
    story = story("raise SystemExit('not today')\n")
    verdict, logged = story.run()
    passport = load_passport(story.registry, logged)
    assert passport.candidate == "logistic"
    assert "not today" in passport.selection.failed["mine"]
    (reason,) = [one for one in verdict.reasons if one.startswith("candidate mine did not compete: ")]
    assert "exit code 1, expected 0; its last words: not today" in reason


def test_program_that_fails_with_all_rows_leaves_the_last_fit_to_the_others(story) -> None:
    story = story(SPOILT_WHEN_LAST.format(most=0))
    verdict, logged = story.run(candidates=["mine", "logistic"])
    assert load_passport(story.registry, logged).candidate == "logistic"
    assert any("too many rows for me" in one for one in verdict.reasons)


def test_program_that_fails_alone_is_an_error_of_the_training(story) -> None:
    story = story("raise SystemExit('not today')\n")
    with pytest.raises(ConfigError, match=r"candidate mine .* not today"):
        story.run(candidates=["mine"])
