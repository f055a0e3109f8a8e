"""What a preview takes from the installation: built environments, and the datasets that a model joins."""

import hashlib
import sys
from pathlib import Path

import polars as pl
import pytest

from almanac.config.program_code import read_program
from almanac.config.schema import Model
from almanac.config.sections.joins import Join
from almanac.data.table.dataset import DatasetTable
from almanac.data.table.model_rows import dataset_joined
from almanac.preview.preview import _lend_joined, preview_dataset
from tests.data.parts import publish_rows
from tests.programs.graphs import save_graph
from tests.release.conftest import declared  # noqa: F401 - a fixture
from tests.training.conftest import NOW, make_hours
from tests.transfer.conftest import Site, make_site

SAYS_WHERE = "import shutil, sys\nprint('runs in', sys.prefix)\nshutil.copy('code/graph.onnx', 'model.onnx')\n"
LOCK = b"# no packages\n"


@pytest.fixture
def site(declared, tmp_path: Path) -> Site:  # noqa: F811
    return make_site(tmp_path / "site", declared.model_copy(update={"name": "weather"}))


def build_by_hand(root: Path) -> str:
    """An environment without packages, as uv leaves one; gives the hash of its lock."""
    sha256 = hashlib.sha256(LOCK).hexdigest()
    place = root / f"tiny-{sha256[:16]}"
    (place / "bin").mkdir(parents=True)
    (place / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    (place / "pyvenv.cfg").write_text(f"home = {Path(sys.executable).resolve().parent}\n")
    (place / "environment.json").write_text("{}")
    return sha256


def test_preview_runs_a_program_in_the_built_environment_of_the_installation(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("almanac.training.export.speed._BUDGET_S", 0.0)
    monkeypatch.setattr("almanac.release.model_card._pictures", lambda *_: [])
    program = site.home.models / "mine" / "train.py"
    program.parent.mkdir()
    program.write_text(SAYS_WHERE)
    tree = site.model.model_dump()
    tree["train"]["backtest"] = {"folds": 2, "fold": "10d", "min_train_rows": 100}
    width = 15  # features of the weather model
    save_graph(program.with_name("graph.onnx"), width)
    locked = build_by_hand(site.home.built_environments)
    own = {"program": "mine/train.py", "sha256": read_program(site.home.models, "mine/train.py")}
    tree["train"]["candidates"] = {"mine": {**own, "environment": "tiny", "environment_sha256": locked}}
    model = Model.model_validate(tree)
    site.publish(make_hours(24 * 60))
    said: list[str] = []
    found = preview_dataset(model, site.home, None, now=NOW, on_progress=said.append)
    assert found.problems == (), said
    assert found.candidate == "mine"
    assert f"runs in {site.home.built_environments / f'tiny-{locked[:16]}'}" in said
    assert not (site.home.home / "scratch").exists()


def test_preview_of_files_reads_the_datasets_that_the_model_joins(site: Site, tmp_path: Path) -> None:
    site.publish(make_hours(48))
    join = Join(model="weather", time="Timestamp", columns={"Humidity": "float"}, tolerance="3h")
    model = site.model.model_copy(update={"name": "other", "joins": {"sky": join}})
    scratch = site.home.scratch_in(tmp_path / "scratch")
    publish_rows(DatasetTable.of(scratch, model), pl.DataFrame(make_hours(1)).with_columns(_row=pl.lit(1)), "batch")
    assert _lend_joined(model, site.home, scratch) == ""
    assert dataset_joined(scratch, "weather", time="Timestamp").read(columns=["Timestamp"]).height == 48


def test_preview_of_files_says_that_a_joined_dataset_is_out_of_reach(site: Site, tmp_path: Path) -> None:
    join = Join(model="sky", time="Timestamp", columns={"Humidity": "float"}, tolerance="3h")
    model = site.model.model_copy(update={"joins": {"sky": join}})
    home = site.home.model_copy(update={"datasets": "s3://bucket/datasets"})
    problem = _lend_joined(model, home, home.scratch_in(tmp_path / "scratch"))
    assert problem.startswith("joins: the dataset of sky is in an object store (s3://bucket/datasets/sky); expected")
