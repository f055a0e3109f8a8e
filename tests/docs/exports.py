"""What has been exported before somebody imports it; see happenings."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from almanac.backup.store.keys import find_or_make_keys
from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.data.table.dataset import DatasetTable
from almanac.registry.store import Registry
from almanac.sample.weather_files import write_csv
from almanac.transfer.export import export_version
from tests.docs.states import MODEL, _journal


def a_version_is_exported() -> None:
    """The champion, to a file in the reader's folder."""
    home = Home()
    registry, key = Registry.of(home), find_or_make_keys(home)[0]
    champion = registry.champion(MODEL)
    assert champion is not None
    now, path = datetime.now(UTC), Path("weather.tar")
    export_version(home, registry, _journal(), champion, path, key=key, by="ada", now=now)


def the_base_branch_stands_beside() -> None:
    """Its declarations, which are the same, and an example with the rows of the dataset."""
    home = Home()
    model = find_model(home.models, MODEL)
    shutil.copytree(home.models, Path("base") / "models")
    write_csv(DatasetTable.of(home, model).read().select(*model.dataset.columns), Path("examples") / f"{MODEL}.csv")
