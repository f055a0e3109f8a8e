"""The Keras program in its real environment, which is built here: packages come from PyPI."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from almanac.config.home import REPOSITORY
from almanac.config.program_code import lock_sha256
from almanac.programs.environments import build_environment
from tests.programs.conftest import TINY

KERAS = REPOSITORY / "demo" / "keras_program"
LEARNING = {"epochs": 4, "stuck": None, "checkpoints": {"every": 2, "keep": 2}}


@pytest.mark.slow
def test_keras_nets_train_in_their_environment_and_give_graphs_for_any_batch_and_length(team) -> None:
    models = team.models
    (models / "environments").mkdir()
    for kind in ("txt", "lock"):
        shutil.copy(KERAS / f"keras.{kind}", models / "environments")
    build_environment(models, team.bench.environments, "keras")
    locked = {"environment": "keras", "environment_sha256": lock_sha256(models, "keras")}
    team.write((KERAS / "train.py").read_text())
    names = list(team.rows.names)
    for kind, length in (("dense", 0), ("conv", 6), ("gru", 3)):
        steps = ", ".join(f'["{name}"]' for name in names[:length])
        (models / "mine" / "layout.json").write_text(f'{{"steps": [{steps}]}}')
        params = {"kind": kind, "units": 8, "epochs": 4, "learning_rate": 0.01}
        made = team.fit(params=params, learning=LEARNING, limits={"time": "20m"}, **locked)
        assert {"native/architecture.json", "native/model.weights.h5", "native/scaling.json"} <= made.files.paths.keys()
        assert len(made.curve.epochs) == 4
        for size in (0, 1, 3, 1000):
            found = made.pipeline.predict_proba(np.resize(team.rows.values, (size, len(names))))
            assert found.shape == (size, 2)
    saved = [path.name for path in team.bench.folder.rglob("*Z-e*.weights.h5")]
    assert len([name for name in saved if name.endswith("-e00004.weights.h5")]) == 3


def test_example_programs_compile_and_keep_to_the_contract() -> None:
    for program in (TINY, KERAS / "train.py"):
        text = Path(program).read_text("utf-8")
        compile(text, str(program), "exec")
        for named in ("rows.parquet", "history.jsonl", "model.onnx", "checkpoints", "previous", "SIGTERM", ".part"):
            assert named in text, (program, named)


def test_environment_of_the_keras_program_is_locked_with_hashes() -> None:
    wanted = [line.split("[")[0].split(">")[0] for line in (KERAS / "keras.txt").read_text().split()]
    locked = (KERAS / "keras.lock").read_text()
    for name in wanted:
        assert f"\n{name}==" in f"\n{locked}" or f"\n{name}[" in f"\n{locked}", name
    assert locked.count("--hash=sha256:") > 100
