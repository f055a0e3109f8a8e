"""Every command line of the pages is run on a home in the state in which its runbook begins, and keeps its promise."""

import pytest

from tests.docs.performance import play
from tests.docs.plays import SCENES
from tests.docs.scenes import Scene
from tests.docs.stage import Theatre

scenes = pytest.mark.parametrize("scene", [one for one in SCENES if not one.needs], ids=str)


@scenes
def test_scene_keeps_what_the_page_promises(scene: Scene, theatre: Theatre) -> None:
    play(scene, theatre.stage(scene.state))


@pytest.mark.slow
@scenes
def test_scene_typed_into_a_shell_keeps_it_too(scene: Scene, theatre: Theatre) -> None:
    """The same, each line by `./almanac` in a shell: two to four seconds of imports for each."""
    stage = theatre.stage(scene.state)
    stage.real = True
    play(scene, stage)
