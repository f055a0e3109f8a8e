"""Fixtures of this folder: the servers, and an installation to fetch into."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine
from sqlalchemy.engine import URL

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER
from tests.data.installation import Site, tiny_dataset
from tests.servers.postgres import REASON, binaries, postgres


@pytest.fixture
def site(tmp_path: Path) -> Site:
    weather = find_model(MODELS_FOLDER, "weather")
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset()}))


@pytest.fixture(scope="session")
def database() -> Iterator[URL]:
    if binaries() is None:
        pytest.skip(REASON)
    with postgres() as url:
        yield url


@pytest.fixture
def engine(database: URL) -> Iterator[Engine]:
    engine = create_engine(database)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE measured (id serial, ts timestamptz, x float8, kind text, seen timestamptz)"
        )
    yield engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE measured")
    engine.dispose()
