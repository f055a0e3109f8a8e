import json
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from almanac.config.credentials import (
    airflow_passwords_file,
    credentials_file,
    generate,
    load_or_create,
    write_private,
)
from almanac.errors import ConfigError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_load_or_create_new_home_writes_files_only_the_owner_can_read(tmp_path):
    load_or_create(tmp_path)

    assert mode(credentials_file(tmp_path)) == 0o600
    assert mode(airflow_passwords_file(tmp_path)) == 0o600
    assert mode(credentials_file(tmp_path).parent) == 0o700


def test_load_or_create_second_time_returns_the_same(tmp_path):
    assert load_or_create(tmp_path) == load_or_create(tmp_path)


def test_load_or_create_open_folder_is_closed_again(tmp_path):
    load_or_create(tmp_path)
    credentials_file(tmp_path).parent.chmod(0o755)

    load_or_create(tmp_path)

    assert mode(credentials_file(tmp_path).parent) == 0o700


def test_load_or_create_writes_the_password_that_airflow_reads(tmp_path):
    credentials = load_or_create(tmp_path)

    assert json.loads(airflow_passwords_file(tmp_path).read_text()) == {"admin": credentials.airflow_password}


@pytest.mark.parametrize("content", ["", "not json", "[]", "{}", '{"airflow_password": "x"}'])
def test_load_or_create_damaged_file_is_refused_and_kept(tmp_path, content):
    load_or_create(tmp_path)
    path = credentials_file(tmp_path)
    path.write_text(content)

    with pytest.raises(ConfigError, match="Put it back from a backup"):
        load_or_create(tmp_path)
    assert path.read_text() == content


def test_generate_two_homes_share_nothing():
    first, second = vars(generate()), vars(generate())

    assert not set(first.values()) & set(second.values())


def test_generate_fernet_key_is_one_that_fernet_takes():
    assert Fernet(generate().airflow_fernet_key)


def test_credentials_repr_shows_no_secret():
    credentials = generate()

    assert not any(value in repr(credentials) for value in vars(credentials).values())


def test_write_private_replaces_an_open_file_by_a_closed_one(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o644)

    write_private(path, "new")

    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert list(tmp_path.iterdir()) == [path]
