"""MLflow's own users: their database may come from another home, whose password is not ours."""

import sqlite3
from contextlib import closing
from pathlib import Path

from almanac.config.credentials import ADMIN
from almanac.errors import ConfigError, TransientError

_TIMEOUT_S = 60.0


def fit_login(database: Path, password: str) -> bool:
    """Let MLflow's administrator enter with the password of this home's credentials; says whether that was changed.

    MLflow takes the password that it is given only when it makes the user. A database that was restored has one whose
    password lies in the `secrets/` of the home that was lost; who can write the credentials owns this home anyway.

    Args:
        database: of MLflow's users; where there is none, MLflow makes it.
        password: of the credentials.

    Raises:
        ConfigError: the database is damaged.
        TransientError: it is locked.
    """
    from werkzeug.security import check_password_hash, generate_password_hash

    if not database.is_file():
        return False
    try:
        with closing(sqlite3.connect(database, timeout=_TIMEOUT_S)) as connection, connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'users'").fetchone():
                return False
            query = "SELECT password_hash FROM users WHERE username = ?"
            found = connection.execute(query, (ADMIN,)).fetchone()
            if found is None or check_password_hash(str(found[0]), password):
                return False
            change = "UPDATE users SET password_hash = ?, is_admin = 1 WHERE username = ?"
            connection.execute(change, (generate_password_hash(password), ADMIN))
            return True
    except sqlite3.OperationalError as error:
        raise TransientError(f"{database}: {error}; does another process use it?") from error
    except sqlite3.DatabaseError as error:
        raise ConfigError(
            f"{database}: is damaged: {error}. Restore it: ./almanac restore database/mlflow_auth --live --replace;"
            " or move it away: MLflow creates a new one with only the administrator"
        ) from error
