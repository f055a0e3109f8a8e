"""Lines that need Airflow and MLflow, typed into a shell on one home whose services they start and stop themselves.

Then the whole machine is lost: the drill that plays it, and the runbook that a person follows.
"""

from collections.abc import Iterator

import pytest

from almanac.config.home import Home
from almanac.services.services import Services
from tests.docs.performance import play
from tests.docs.plays import SCENES
from tests.docs.scenes import Scene
from tests.docs.stage import Stage, Theatre

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def stage(theatre: Theatre) -> Iterator[Stage]:
    stage = theatre.stage("handed")
    stage.real = True
    yield stage
    for home in (stage.folder / "var", stage.folder / "new"):
        Services(Home(home=home)).down()


@pytest.mark.parametrize("scene", [one for one in SCENES if one.needs == "services"], ids=str)
def test_scene_with_services_keeps_what_the_page_promises(scene: Scene, stage: Stage) -> None:
    assert play(scene, stage) > 0


def test_disaster_drill_leaves_nothing_behind_but_its_result(stage: Stage) -> None:
    """After the scenes: no scratch folder, no process, and a line on the page."""
    old = Home(home=stage.folder / "var")
    assert not old.scratch.exists() or list((old.scratch / "drills").iterdir()) == []
    code, output = stage.run("./almanac backup-report report.html")
    assert code == 0, output
    assert "disaster/all" in (stage.folder / "report.html").read_text("utf-8")
