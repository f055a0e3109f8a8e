"""Where an installation keeps things follows from the environment."""

from pathlib import Path

import pytest

from almanac.config.home import Home
from almanac.errors import ConfigError


def test_home_moved_moves_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    home = Home(home=tmp_path)
    assert home.landing_of("weather") == f"{tmp_path}/landing/weather"
    assert home.journal_url == f"sqlite:///{tmp_path}/journal.db"
    assert home.tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_home_one_place_moved_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_LANDING", "s3://bucket/landing/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    home = Home()
    assert home.landing_of("weather") == "s3://bucket/landing/weather"
    assert home.dataset_of("weather") == f"{tmp_path}/datasets/weather"
    assert home.tracking_uri == "http://127.0.0.1:5000"


def test_home_names_declarations_so_that_services_find_them_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from almanac.config.credentials import load_or_create
    from almanac.services.environment import environment
    from almanac.services.ports import Ports

    monkeypatch.setenv("ALMANAC_MODELS", "include/environments/dev")
    home = Home(home=tmp_path)
    assert home.models == Path.cwd() / "include" / "environments" / "dev"
    variables = environment(home, Ports(), load_or_create(tmp_path))
    assert variables["ALMANAC_MODELS"] == str(home.models)


@pytest.mark.parametrize("missing", [("ALMANAC_HOME",), ("ALMANAC_MODELS",), ("ALMANAC_HOME", "ALMANAC_MODELS")])
def test_home_of_an_installed_package_must_be_reported(
    missing: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a checkout has a `var/` and models of its own; `site-packages` is no place for data."""
    monkeypatch.setattr("almanac.config.home.IN_CHECKOUT", False)
    for name in ("ALMANAC_HOME", "ALMANAC_MODELS"):
        monkeypatch.setenv(name, str(tmp_path))
    assert Home().models == tmp_path
    for name in missing:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError, match=rf"^{' and '.join(missing)}: not set, .* expected ALMANAC_HOME=<folder"):
        Home()


def test_scratch_home_has_the_environments_and_no_other_place_of_the_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path / "real"))
    monkeypatch.setenv("ALMANAC_PREDICTIONS", "s3://real/predictions")
    monkeypatch.setenv("ALMANAC_SECOND_BACKUPS", str(tmp_path / "real-backups"))
    monkeypatch.setenv("ALMANAC_JOURNAL_URL", "postgresql+psycopg2://me:secret@db/almanac")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:5000")
    home = Home()
    scratch = home.scratch_in(tmp_path / "scratch")
    assert scratch.built_environments == home.built_environments == tmp_path / "real" / "environments"
    assert scratch.models == home.models
    places = {name: str(getattr(scratch, name)) for name in Home.model_fields if name not in ("models", "environments")}
    assert [name for name, place in places.items() if f"{tmp_path}/scratch" not in place] == []
    assert "secret" not in repr(scratch)


def test_place_of_environments_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALMANAC_ENVIRONMENTS", "s3://bucket/environments")
    with pytest.raises(ConfigError, match=r"ALMANAC_ENVIRONMENTS: got .*expected an absolute path"):
        Home(home=tmp_path)
    monkeypatch.setenv("ALMANAC_ENVIRONMENTS", str(tmp_path / "built"))
    assert Home(home=tmp_path).built_environments == tmp_path / "built"
