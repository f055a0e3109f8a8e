"""`almanac key public`, `export`, `import` and `trace`, each in its own installation."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.errors import ConfigError, IntegrityError
from almanac.registry.records import CHAMPION
from almanac.transfer.signature import public_key
from tests.transfer.conftest import NAME, Site


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch):
    """`call(site, ...)`: run a command in an installation."""

    def called(site: Site, *arguments: str):
        monkeypatch.setenv("ALMANAC_HOME", str(site.home.home))
        monkeypatch.setenv("ALMANAC_MODELS", str(site.home.models))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", site.home.tracking_uri)
        return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})

    return called


def test_key_public_prints_what_the_other_installation_declares(call, staging) -> None:
    assert call(staging, "key", "public").output.strip() == public_key(staging.key)


def test_version_travels_by_the_command_line(call, staging, production, tmp_path: Path) -> None:
    file = tmp_path / "weather.tar"
    exported = call(staging, "export", f"{NAME}@champion", str(file))
    assert exported.exit_code == 0, exported.output
    assert f"Signed by {public_key(staging.key)}" in exported.output
    taken = call(production, "import", str(file))
    assert taken.exit_code == 0, taken.output
    assert "champion: passed all gates" in taken.output
    assert (
        "weather@1: is here already as weather@1; nothing was changed." in call(production, "import", str(file)).output
    )
    assert "imported from" in call(production, "trace", f"{NAME}@1").output
    assert production.registry.aliases(NAME) == {CHAMPION: "1"}


def test_export_does_not_overwrite_a_file(call, staging, tmp_path: Path) -> None:
    file = tmp_path / "weather.tar"
    file.write_text("mine", "utf-8")
    assert isinstance(call(staging, "export", f"{NAME}@1", str(file)).exception, ConfigError)
    assert file.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [file]


def test_import_of_what_a_stranger_has_signed_is_refused(call, emptied, archive) -> None:
    site = emptied()
    (site.home.models / "_installation.yaml").unlink()
    error = call(site, "import", str(archive)).exception
    assert isinstance(error, IntegrityError)
    assert "trusted_origins" in str(error)
