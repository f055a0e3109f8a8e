"""The story of `make demo-containers`: played against the containers through REST, MLflow's client and files."""

import pytest

from demo.containers.engine import Engine
from demo.story import main

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_story_passes_in_containers(engine: Engine) -> None:
    assert main("containers") == 0
