"""Every command line of the pages is run on a home in the state in which its runbook begins, and keeps its promise."""

import pytest

from tests.docs.performance import play
from tests.docs.plays import PRINTED, SCENES
from tests.docs.scenes import Scene
from tests.docs.stage import Theatre

ALONE = [scene for scene in SCENES if scene.needs != "services"]
QUICK = [scene for scene in ALONE if not scene.needs]
ACTS = {scene.act: scene for scene in reversed(QUICK)}


@pytest.mark.parametrize("scene", [scene for scene in QUICK if ACTS[scene.act] is scene], ids=str)
def test_scene_keeps_what_the_page_promises(scene: Scene, theatre: Theatre) -> None:
    """Each act once; a section that prints the same lines for the same state is played by another's scene."""
    assert play(scene, theatre.stage(scene.state)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("scene", PRINTED, ids=str)
def test_scene_of_what_the_product_prints_keeps_it(scene: Scene, theatre: Theatre) -> None:
    assert play(scene, theatre.stage(scene.state)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("scene", ALONE, ids=str)
def test_scene_typed_into_a_shell_keeps_it_too(scene: Scene, theatre: Theatre) -> None:
    """Each scene, each line by `./almanac` in a shell: two to four seconds of imports for each."""
    stage = theatre.stage(scene.state)
    stage.real = True
    assert play(scene, stage) > 0
