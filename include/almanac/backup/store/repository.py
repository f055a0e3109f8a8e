"""A backup repository: a store of the known format, the key, and how new objects are written."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from secrets import token_hex

from almanac.backup.store.key_records import ring_of
from almanac.backup.store.keys import Key, KeyRing
from almanac.backup.store.local_store import LocalStore
from almanac.backup.store.manifest import FORMAT, canonical
from almanac.backup.store.object_store import ObjectStore
from almanac.backup.store.port import Store
from almanac.config.location import BACKUP_SCHEMES, check_location
from almanac.errors import ConfigError, IntegrityError
from almanac.json_text import parse_json
from almanac.storage.files import local_path
from almanac.storage.objects import is_remote

FORMAT_FILE = "almanac-backup.json"
_MAX_BYTES = 1 << 16


@dataclass(frozen=True)
class BackupRepository:
    """Where snapshots are kept.

    Attributes:
        store: the bytes.
        key: signs and opens; None: signatures are not checked, and nothing can be written.
        encrypt: new objects are encrypted.
        compress: new objects are compressed where it gains something.
        workers: threads that read, hash and write at the same time.
        older: keys that were in force before, as far as the installation was given them; the repository knows them,
            too.
    """

    store: Store
    key: Key | None = field(repr=False)
    encrypt: bool = False
    compress: bool = True
    workers: int = 2
    older: tuple[Key, ...] = field(default=(), repr=False)

    @property
    def uri(self) -> str:
        """Where it is."""
        return self.store.uri

    @cached_property
    def keys(self) -> KeyRing | None:
        """What checks and opens what lies here; None: signatures are not checked."""
        return None if self.key is None else ring_of(self.store, self.key, self.older)

    @property
    def object_key(self) -> Key | None:
        """What encrypts new objects."""
        return self.key if self.encrypt else None

    def signing_key(self) -> Key:
        """What signs.

        Raises:
            ConfigError: there is no key.
        """
        if self.key is None:
            raise ConfigError(f"{self.uri}: no key to sign with; give it by ALMANAC_BACKUP_KEY")
        return self.key


def open_store(uri: str) -> Store:
    """The store of a URI: a folder, `s3://`, `az://` or `abfs://`.

    Raises:
        ConfigError: it is none of these.
    """
    repository = check_location(uri, "a backup repository", schemes=BACKUP_SCHEMES)
    return ObjectStore(repository) if is_remote(repository) else LocalStore(local_path(repository))


def prepare(store: Store) -> None:
    """Make a store a backup repository if it is none yet.

    Raises:
        IntegrityError: it is one of a format that is not known.
        TransientError: the store is unreachable.
    """
    try:
        check_format(store)
    except FileNotFoundError:
        created = datetime.now(UTC).isoformat(timespec="seconds")
        store.create(FORMAT_FILE, canonical({"format": FORMAT, "id": token_hex(8), "created": created}))
        check_format(store)


def check_format(store: Store) -> None:
    """Refuse a place whose format is not known.

    Raises:
        FileNotFoundError: it is no backup repository.
        IntegrityError: its format is not known.
    """
    content = store.read(FORMAT_FILE, limit=_MAX_BYTES).data
    try:
        found = parse_json(content)["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{store.uri}/{FORMAT_FILE}: damaged; expected the format of the repository") from error
    if type(found) is not int or found != FORMAT:  # True equals 1
        raise IntegrityError(
            f"{store.uri}: unknown format of a backup repository; got {repr(found)[:100]}, expected {FORMAT}. Use the"
            " version of Almanac that wrote it; nothing was changed"
        )
