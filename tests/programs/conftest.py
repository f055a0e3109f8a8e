"""Programs of a few lines in a models' folder, and a small world for them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from almanac.config.home import REPOSITORY
from almanac.config.program_code import read_program
from almanac.config.schema import Model
from almanac.programs.contract import PreviousVersion
from almanac.programs.workbench import Workbench
from almanac.training.backtest.backtest import labelled_rows
from almanac.training.fit.program_fit import ProgramFit, fit_program
from tests.programs.graphs import save_graph
from tests.training.conftest import NOW, change, make_hours, weather  # noqa: F401 - fixtures

TINY = REPOSITORY / "demo" / "own_program" / "train.py"
GIVES_ITS_GRAPH = "import shutil\nshutil.copy('code/graph.onnx', 'model.onnx')\n"


@pytest.fixture(scope="session")
def rows(weather):  # noqa: F811 - a fixture
    return labelled_rows(weather, make_hours(24 * 60), now=NOW)


class Team:
    """Writes programs, declares and calls them."""

    def __init__(self, model: Model, folder: Path, rows: Any) -> None:
        self.model, self.rows, self.said = model, rows, list[str]()
        self.models, work = folder / "models", folder / "work"
        (self.models / "mine").mkdir(parents=True)
        work.mkdir()
        self.saved: list[str] = []
        self.bench = Workbench(work, folder / "environments", None, self.said.append, self.saved.append)

    def write(self, script: str, **graph: Any) -> None:
        """The program, and beside it a graph that it may give."""
        (self.models / "mine" / "train.py").write_text(script)
        save_graph(self.models / "mine" / "graph.onnx", len(self.rows.names), **graph)

    def declare(self, **candidate: Any) -> Model:
        sha256 = read_program(self.models, "mine/train.py")
        declared = self.model.model_dump()
        declared["train"]["candidates"] = {"mine": {"program": "mine/train.py", "sha256": sha256, **candidate}}
        return Model.model_validate(declared)

    def fit(self, *, is_last: bool = False, previous: PreviousVersion | None = None, **candidate: Any) -> ProgramFit:
        every = np.arange(len(self.rows))
        model = self.declare(**candidate)
        return fit_program(model, "mine", None, self.rows, every, self.bench, is_last=is_last, previous=previous)


@pytest.fixture
def team(weather, rows, tmp_path) -> Team:  # noqa: F811 - a fixture
    return Team(weather, tmp_path, rows)
