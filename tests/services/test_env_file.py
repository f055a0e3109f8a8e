"""The secrets of docker-compose.yaml: all of them, random, for their owner alone, never replaced."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from almanac.config.home import REPOSITORY
from almanac.errors import ConfigError
from almanac.services.env_file import read_env_file, secret_names, write_env_file

COMPOSE = (REPOSITORY / "docker-compose.yaml").read_text("utf-8")


def test_write_env_file_gives_every_variable_that_compose_demands_a_value(tmp_path: Path) -> None:
    names = write_env_file(tmp_path / ".env", COMPOSE)

    values = read_env_file(tmp_path / ".env")
    assert {"POSTGRES_PASSWORD", "AIRFLOW__CORE__FERNET_KEY"} <= set(names)
    assert set(values) == set(names) == set(secret_names(COMPOSE))
    assert len(set(values.values())) == len(values)
    Fernet(values["AIRFLOW__CORE__FERNET_KEY"])


def test_write_env_file_passwords_can_stand_in_a_url(tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env", COMPOSE)

    assert all(value.isalnum() for name, value in read_env_file(tmp_path / ".env").items() if "PASSWORD" in name)


def test_write_env_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env", COMPOSE)

    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_write_env_file_that_exists_is_never_replaced(tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env", COMPOSE)
    before = (tmp_path / ".env").read_bytes()

    with pytest.raises(ConfigError, match="it exists, and the databases use its passwords"):
        write_env_file(tmp_path / ".env", COMPOSE)

    assert (tmp_path / ".env").read_bytes() == before


def test_write_env_file_of_older_days_gets_what_is_missing_and_keeps_the_rest(tmp_path: Path) -> None:
    kept = {"POSTGRES_PASSWORD": "kept", "ALMANAC_STORE": "s3://x"}
    (tmp_path / ".env").write_text("# ours\n" + "\n".join(f"{name}={value}" for name, value in kept.items()), "utf-8")
    (tmp_path / ".env").chmod(0o600)

    added = write_env_file(tmp_path / ".env", COMPOSE)

    values = read_env_file(tmp_path / ".env")
    assert set(added) == set(secret_names(COMPOSE)) - set(kept)
    assert {name: values[name] for name in kept} == kept
    assert set(values) == {*added, *kept}
    assert (tmp_path / ".env").read_text("utf-8").startswith("# ours\n")


def test_read_env_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_env_file(tmp_path / ".env", COMPOSE)
    (tmp_path / ".env").chmod(0o644)

    with pytest.raises(ConfigError, match="other users can read it, got mode 644, expected 600"):
        read_env_file(tmp_path / ".env")


def test_read_env_file_that_is_missing_says_how_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`make env` writes it"):
        read_env_file(tmp_path / ".env")
