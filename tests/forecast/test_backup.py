"""Results and versions of a forecast come back from a snapshot: nothing is computed again, and the past is there."""

import shutil
from pathlib import Path

import pytest

from almanac.backup.drill.functional import use
from almanac.backup.restore.targets import targets_of
from almanac.backup.snapshot.live_files import Subject
from almanac.backup.snapshot.writer import take
from almanac.backup.store.manifest import Maker
from almanac.backup.subjects.outputs import outputs_draft
from almanac.config.home import Home
from almanac.forecast.published import PublishedTable
from almanac.forecast.versions import results_of
from tests.backup.repositories import START, repository_at, restored
from tests.forecast.shop import declare, publish, rows_of, sales
from tests.forecast.world import compute, forecast


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path / "home", models=tmp_path / "models")


def test_results_and_versions_come_back_and_nothing_is_computed_again(home: Home, tmp_path: Path) -> None:
    model = declare(home.models, {"candidates": {"naive": {}, "drift": {}}})
    publish(home, rows_of(sales(3)))
    version = forecast(model, home)
    repository, draft = repository_at(tmp_path / "backups"), outputs_draft(home, "sales")
    assert draft is not None
    take(repository, draft, maker=Maker(dag_id="t", started_by="ada", reason="r"), clock=lambda: START)
    for uri in (home.forecast_results_of("sales"), home.forecast_versions_of("sales"), home.predictions_of("sales")):
        shutil.rmtree(uri)
    back = restored(repository, "outputs/sales", tmp_path / "back")
    lines = "\n".join(use(back.folder, back.manifest))
    assert "forecast/results opens at version 0 with 3 rows" in lines
    assert "forecast/versions opens at version 0 with 3 rows" in lines
    for target in targets_of(home, back.manifest):
        assert target.local is not None
        shutil.copytree(back.folder / target.path, target.local)
    assert PublishedTable.of(home, model).version() == version
    assert len(results_of(model, home, version)) == 3
    assert compute(model, home)[1] == 0


def test_files_of_results_and_versions_are_compared_with_snapshots(home: Home, tmp_path: Path) -> None:
    subject = Subject(home, repository_at(tmp_path / "backups"), "outputs/sales")
    tables = subject.tables()
    assert tables["forecast/results/"] == home.forecast_results_of("sales")
    assert tables["forecast/versions/"] == home.forecast_versions_of("sales")
