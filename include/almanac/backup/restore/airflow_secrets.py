"""What of a restored Airflow database is encrypted with a key that this home does not have."""

import os
from collections.abc import Iterator

from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError

from almanac.backup.installation import databases
from almanac.config.credentials import credentials_file, load
from almanac.config.home import Home
from almanac.errors import ConfigError, TransientError

_VARIABLE = "AIRFLOW__CORE__FERNET_KEY"
_QUERIES = {
    "connection": "SELECT conn_id, password FROM connection WHERE is_encrypted AND coalesce(password, '') <> ''"
    " UNION ALL SELECT conn_id, extra FROM connection WHERE is_extra_encrypted AND coalesce(extra, '') <> ''",
    "variable": "SELECT key, val FROM variable WHERE is_encrypted AND coalesce(val, '') <> ''",
}
# What hangs on a trigger, in the order of the references. A task that waited starts again.
_LET_GO = (
    "UPDATE task_instance SET state = NULL, next_method = NULL WHERE trigger_id = :id AND state = 'deferred'",
    "UPDATE task_instance SET trigger_id = NULL WHERE trigger_id = :id",
    "UPDATE callback SET trigger_id = NULL WHERE trigger_id = :id",
    "DELETE FROM asset_watcher WHERE trigger_id = :id",
    'DELETE FROM "trigger" WHERE id = :id',
)


def unreadable_secrets(home: Home) -> list[str]:
    """Connections and variables that were made in Airflow and cannot be read with the key of this home, in words.

    Raises:
        ConfigError: the home's key is none.
        TransientError: Airflow's database is unreachable.
    """
    keys = _keys(home)
    lines = []
    for kind, query in _QUERIES.items():
        names = sorted({name for name, secret in _rows(home, query) if not _opens(keys, secret)})
        if names:
            lines.append(
                f"{len(names)} {kind}s of Airflow were encrypted with the key of the old home, which lies in its"
                f" secrets/: {', '.join(names[:10])}. Put the copy of that folder into {home.home}/secrets before the"
                " services start, or enter them again"
            )
    return lines


def drop_unreadable_triggers(url: str, keys: str) -> int:
    """Take out the triggers that no key of this home opens, of a database that came from another; give their number.

    A single one ends Airflow's triggerer at each start, so that no landed file is noticed any more. The dag-processor
    makes those of watched assets again.

    Args:
        url: of Airflow's database, brought to the installed version.
        keys: Airflow's Fernet keys, with commas between them.

    Raises:
        ConfigError: one of the keys is none.
        TransientError: the database is away.
    """
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            found = connection.execute(text('SELECT id, kwargs FROM "trigger"')).all()
            lost = [{"id": number} for number, kwargs in found if not (kwargs.startswith("{") or _opens(keys, kwargs))]
            for statement in _LET_GO if lost else ():
                connection.execute(text(statement), lost)
    except SQLAlchemyError as error:
        raise _away(error) from error
    finally:
        engine.dispose()
    return len(lost)


def _keys(home: Home) -> str:
    path = credentials_file(home.home)
    if given := os.environ.get(_VARIABLE):
        return given
    return load(path).airflow_fernet_key if path.exists() else ""


def _rows(home: Home, query: str) -> Iterator[tuple[str, str]]:
    engine = create_engine(databases(home)["airflow"])
    try:
        with engine.connect() as connection:
            yield from ((str(name), str(secret)) for name, secret in connection.execute(text(query)).fetchall())
    except SQLAlchemyError as error:
        raise _away(error) from error
    finally:
        engine.dispose()


def _away(error: SQLAlchemyError) -> TransientError:
    return TransientError(f"Airflow's database: cannot be read: {str(error).splitlines()[0]}")


def _opens(keys: str, secret: str) -> bool:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet

    if not keys:
        return False
    try:
        MultiFernet([Fernet(key.strip()) for key in keys.split(",")]).decrypt(secret.encode())
    except InvalidToken:
        return False
    except ValueError as error:
        raise ConfigError(f"{_VARIABLE}: no key of Airflow: {error}. Put the right one back") from error
    return True
