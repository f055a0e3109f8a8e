"""The whole disaster drill without services: place and key become a home that ingests, trains, scores and traces."""

import pytest

from tests.docs.stage import Theatre


@pytest.mark.slow
def test_disaster_drill_from_place_and_key_alone_comes_to_its_end(theatre: Theatre) -> None:
    stage = theatre.stage("served, backed up")
    happening = "tests.docs.happenings:the_machine_is_lost_in_one_process"
    code, output = stage.warm.call(happening, stage.variables, stage.folder)
    assert code == 0, output[-4000:]
