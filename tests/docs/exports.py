"""What has been exported before somebody imports it; see happenings."""

from datetime import UTC, datetime
from pathlib import Path

from almanac.backup.store.keys import find_or_make_keys
from almanac.config.home import Home
from almanac.registry.store import Registry
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
