"""The stack of docker-compose.yaml in containers, for all tests of this folder. Needs root, Debian, and minutes."""

from collections.abc import Iterator

import pytest

from demo.containers.engine import Engine
from demo.containers.images import make_images
from demo.containers.machine import prepare
from demo.containers.stack import ContainerStack
from demo.story import SOURCE_OVERLAY
from tests.containers.declared import declared_models


@pytest.fixture(scope="package")
def engine() -> Engine:
    """Podman, with all images."""
    engine = Engine()
    if problem := prepare(engine):
        pytest.skip(problem)
    make_images(engine, print)
    return engine


@pytest.fixture(scope="package")
def stack(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContainerStack]:
    """All services, well."""
    root = tmp_path_factory.mktemp("containers")
    models = declared_models(root, {"source": SOURCE_OVERLAY})
    with ContainerStack(root / "stack", project="almanac-test", report=print, models=models).running() as running:
        yield running
