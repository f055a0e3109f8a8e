"""MLflow's own users: its administrator's password is that of this home, also after a restore of the user database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from include.errors import PermanentError


def renew_admin(database: Path, user: str, password: str) -> bool:
    """Give the administrator the password that this home has; MLflow sets it only when it makes its database.

    A restore brings the user database back, and not the passwords, which are in no backup. Other users stay as they
    are.

    Args:
        database: MLflow's user database, of a server that is not running; nothing happens before its first start.
        user: the administrator's name.
        password: as it stands in the home's secrets.

    Returns:
        True: it was another one before.

    Raises:
        PermanentError: the file is no user database of MLflow.
    """
    if not database.is_file():
        return False
    from werkzeug.security import check_password_hash, generate_password_hash

    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            rows = connection.execute("SELECT password_hash FROM users WHERE username = ?", (user,)).fetchall()
            if not rows or check_password_hash(rows[0][0], password):
                return False
            connection.execute(
                "UPDATE users SET password_hash = ? WHERE username = ?", (generate_password_hash(password), user)
            )
    except sqlite3.DatabaseError as error:
        raise PermanentError(
            f"{database}: not MLflow's user database: {error}. Restore it: almanac restore database/mlflow_auth --live"
            " --replace; or move it aside: MLflow then makes a new one, with its administrator alone"
        ) from error
    return True
