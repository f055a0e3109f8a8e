"""A version that a program has trained lives as any other: it scores and is backed up; its graph can be adopted."""

import re
from datetime import timedelta

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from almanac.backup.subjects.model import model_draft
from almanac.cli.app import app
from almanac.data.table.delta_table import read_table
from almanac.journal.records import RunRef
from almanac.registry import files
from almanac.registry.pipeline_file import load_pipeline
from almanac.scoring.score import score_new_windows
from tests.programs.conftest import TINY
from tests.programs.test_program_candidate import story  # noqa: F401 - a fixture
from tests.release.conftest import registry  # noqa: F401 - a fixture
from tests.training.conftest import START, change, small  # noqa: F401 - fixtures


@pytest.mark.slow
def test_version_of_a_program_scores_is_backed_up_and_its_graph_is_adopted(
    story,  # noqa: F811
    change,  # noqa: F811
    tmp_path,
    monkeypatch,
) -> None:
    world = story(TINY.read_text(), params={"epochs": 40, "learning_rate": 1.0}, learning={"epochs": 40})
    world.model = change(world.model, "gates.segments", by="all", min_rows=50)  # sixty days are few for each hour
    verdict, logged = world.run(candidates=["mine"])
    assert verdict.accepted, verdict.reasons
    number = world.crown(logged)

    world.publish(72)
    summary = score_new_windows(world.model, world.home, world.registry, run=RunRef("score", "one"), now=world.now)
    said = read_table(world.home.predictions_of(world.model.name))
    assert summary.rows == said.height > 0
    assert said["model_version"].unique().to_list() == [number]
    assert np.ptp(said["probability"].to_numpy()) > 0.5

    version = world.registry.version(world.model.name, number)
    with model_draft(world.home, world.registry, version) as draft:
        kept = {one.path: b"".join(one.pieces()) for one in draft.files}
    assert kept["artifacts/program/native/weights.npz"] == world.registry.load_file(
        version, "program/native/weights.npz"
    )
    assert kept["artifacts/program/code/train.py"] == TINY.read_bytes()

    graph = tmp_path / "theirs.onnx"
    graph.write_bytes(load_pipeline(world.registry.load_file(version, files.PIPELINE))[-1].graph)
    models = tmp_path / "declared"
    models.mkdir()
    declared = world.model.model_dump(mode="json", exclude={"name"})
    del declared["train"]["candidates"]["mine"]
    (models / f"{world.model.name}.yaml").write_text(yaml.safe_dump(declared, allow_unicode=True), "utf-8")
    for name, value in {
        "ALMANAC_HOME": str(world.home.home),
        "ALMANAC_MODELS": str(models),
        "MLFLOW_TRACKING_URI": world.registry.client.tracking_uri,
    }.items():
        monkeypatch.setenv(name, value)
    until = (START + timedelta(days=40)).isoformat()
    done = CliRunner().invoke(app, ["adopt", world.model.name, str(graph), "--trained-until", until])
    found = re.search(rf"{world.model.name}@(\d+): registered", done.output)
    assert found, (done.output, done.exception)
    adopted = world.registry.version(world.model.name, found[1])
    assert world.registry.load_onnx(adopted) != b""
    assert int(adopted.version) > int(number)
