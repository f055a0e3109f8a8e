"""The passwords and keys of one home: generated once, kept in a file that only its owner can read."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from almanac.errors import ConfigError

ADMIN = "admin"
FOLDER_MODE = 0o700
FILE_MODE = 0o600


@dataclass(frozen=True)
class Credentials:
    """What the services of one home share; hidden from `repr`, because errors print what they hold."""

    airflow_password: str = field(repr=False)
    airflow_api_secret_key: str = field(repr=False)
    airflow_jwt_secret: str = field(repr=False)
    airflow_fernet_key: str = field(repr=False)
    mlflow_password: str = field(repr=False)
    mlflow_flask_secret_key: str = field(repr=False)


def credentials_file(root: Path) -> Path:
    """Where the credentials of the home at `root` are kept."""
    return root / "secrets" / "credentials.json"


def airflow_passwords_file(root: Path) -> Path:
    """What Airflow's login reads; written before Airflow starts, which otherwise prints a password to its log."""
    return root / "secrets" / "airflow_passwords.json"


def load_or_create(root: Path) -> Credentials:
    """Read the credentials of the home at `root`; generate them when it has none.

    Raises:
        ConfigError: the file is there and cannot be used. It is never replaced: the databases were made with it.
    """
    path = credentials_file(root)
    private_folder(path.parent)
    if not path.exists():
        write_private(path, json.dumps(asdict(generate()), indent=2) + "\n")
    credentials = load(path)
    write_private(airflow_passwords_file(root), json.dumps({ADMIN: credentials.airflow_password}) + "\n")
    return credentials


def load(path: Path) -> Credentials:
    """Read a file of credentials.

    Raises:
        ConfigError: it cannot be read, or not every value is there.
    """
    expected = {each.name for each in fields(Credentials)}
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}. Put it back from a backup: the databases depend on it."
        ) from error
    if not isinstance(found, dict) or not expected <= {key for key, value in found.items() if value}:
        missing = sorted(expected - set(found)) if isinstance(found, dict) else sorted(expected)
        raise ConfigError(
            f"{path}: values are missing: {missing}. Put it back from a backup: the databases depend on it."
        )
    return Credentials(**{name: str(found[name]) for name in expected})


def private_folder(path: Path) -> Path:
    """Make a folder, or repair one, that only its owner can enter."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    path.chmod(FOLDER_MODE)
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file that is never readable by others, not even for a moment, and never half written."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def generate() -> Credentials:
    """Draw new passwords and keys."""
    return Credentials(
        airflow_password=secrets.token_urlsafe(18),
        airflow_api_secret_key=secrets.token_urlsafe(32),
        airflow_jwt_secret=secrets.token_urlsafe(64),
        # The form that Fernet asks for: 32 bytes, URL-safe base64.
        airflow_fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        mlflow_password=secrets.token_urlsafe(18),
        mlflow_flask_secret_key=secrets.token_urlsafe(32),
    )
