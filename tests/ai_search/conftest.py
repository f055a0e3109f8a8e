from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ai_search.world import World
from tests.servers.search import FakeSearch


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """One index, filled by two indexers from the dataset of `weather`."""
    with FakeSearch(indexers={"hourly": [], "archive": []}) as service:
        service.index("ships", 0, id="Edm.String", depth="Edm.Double")
        declared = {
            "indexes": {
                "ships": {
                    "dataset": "weather",
                    "fields": {"id": "Edm.String", "depth": "Edm.Double"},
                    "indexers": {
                        "hourly": {"start": True},
                        "archive": {"start": True, "not_between": "06:00-20:00", "timezone": "Europe/Helsinki"},
                    },
                }
            }
        }
        yield World(tmp_path, service, declared)
