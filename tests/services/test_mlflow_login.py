"""MLflow's users may come from another home: its administrator enters with this home's password, and nobody else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from werkzeug.security import check_password_hash, generate_password_hash

from almanac.errors import ConfigError
from almanac.services.mlflow_login import fit_login


def users(path: Path) -> dict[str, tuple[str, int]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT username, password_hash, is_admin FROM users")
        return {name: (secret, admin) for name, secret, admin in rows}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "mlflow_auth.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE users (username TEXT, password_hash TEXT, is_admin INT)")
        for name, password, admin in (("admin", "of the old home", 1), ("ada", "hers", 0)):
            connection.execute("INSERT INTO users VALUES (?, ?, ?)", (name, generate_password_hash(password), admin))
    return path


def test_fit_login_of_another_home_takes_this_home_s_password(database: Path) -> None:
    before = users(database)
    assert fit_login(database, "of this home")
    after = users(database)
    assert check_password_hash(after["admin"][0], "of this home")
    assert not check_password_hash(after["admin"][0], "of the old home")
    assert after["ada"] == before["ada"]


def test_fit_login_that_fits_changes_nothing(database: Path) -> None:
    before = users(database)
    assert not fit_login(database, "of the old home")
    assert users(database) == before


def test_fit_login_new_home_is_left_to_mlflow(tmp_path: Path) -> None:
    assert not fit_login(tmp_path / "mlflow_auth.db", "x")
    assert list(tmp_path.iterdir()) == []


def test_fit_login_damaged_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "mlflow_auth.db").write_bytes(b"damaged" * 100)
    with pytest.raises(ConfigError, match=r"is damaged: .* Restore it: ./almanac restore database/mlflow_auth"):
        fit_login(tmp_path / "mlflow_auth.db", "x")
