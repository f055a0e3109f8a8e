"""A backup repository in a bucket or container, through obstore: create-only writes and compare-and-swap by e-tag.

fsspec's clients cannot do either, and leaving their `open(..., "wb")` by an exception commits half an object.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from almanac.backup.store.port import CHUNK, ConflictError, Entry, StoredContent
from almanac.backup.tiers.archive_errors import archive_errors
from almanac.backup.tiers.port import TierStore
from almanac.errors import IntegrityError
from almanac.storage.errors import store_errors
from almanac.storage.objects import open_location

_PART = 8 * CHUNK


class ObjectStore:
    """Keeps `almanac.backup.store.port.Store` on S3, Azure and what speaks like them.

    Args:
        uri: `s3://bucket/prefix`, `abfs://container/prefix` or `gs://bucket/prefix`. Keys and endpoint come from the
            environment (`AWS_*`, `AZURE_*`), as for every store of an installation.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        with store_errors(self.uri, "opened"):
            self._store = open_location(self.uri)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file if there is none of this name."""
        import obstore
        from obstore.exceptions import AlreadyExistsError

        with store_errors(self._where(name), "written"):
            try:
                obstore.put(self._store, name, data, mode="create")
            except AlreadyExistsError:
                return False
        return True

    def replace(self, name: str, data: bytes, *, version: str) -> str:
        """Write over the version that was read."""
        import obstore
        from obstore.exceptions import PreconditionError

        with store_errors(self._where(name), "written"):
            try:
                written = obstore.put(self._store, name, data, mode={"e_tag": version})
            except (PreconditionError, FileNotFoundError) as error:
                raise ConflictError(f"{self._where(name)}: was changed meanwhile; read it again") from error
        return str(written["e_tag"])

    def read(self, name: str, *, limit: int) -> StoredContent:
        """Read a small file."""
        import obstore

        with archive_errors(self._where(name), "read"):
            found = obstore.get(self._store, name)
            size = int(found.meta["size"])
            data = bytes(found.bytes()) if size <= limit else b""
        if size > limit:
            raise IntegrityError(
                f"{self._where(name)}: {size} bytes, more than any file of this kind has; do not trust it"
            )
        return StoredContent(data, str(found.meta["e_tag"]))

    def stream(self, name: str) -> Iterator[bytes]:
        """The content, piece by piece."""
        import obstore

        with archive_errors(self._where(name), "read"):
            for piece in obstore.get(self._store, name).stream(min_chunk_size=CHUNK):
                yield bytes(piece)

    def head(self, name: str, count: int) -> bytes:
        """The first bytes."""
        import obstore

        with archive_errors(self._where(name), "read"):
            size = int(obstore.head(self._store, name)["size"])
            if not size:
                return b""
            return bytes(obstore.get_range(self._store, name, start=0, length=min(count, size)))

    def find(self, name: str) -> Entry | None:
        """Size and age."""
        import obstore

        with store_errors(self._where(name), "looked at"):
            try:
                found = obstore.head(self._store, name)
            except FileNotFoundError:
                return None
        return Entry(name, int(found["size"]), found["last_modified"])

    def list(self, folder: str) -> Iterator[Entry]:
        """All files below a folder."""
        import obstore

        with store_errors(self._where(folder), "listed"):
            for page in obstore.list(self._store, f"{folder}/"):
                for found in page:
                    yield Entry(str(found["path"]), int(found["size"]), found["last_modified"])

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """A temporary folder of this machine."""
        folder = Path(tempfile.mkdtemp(prefix="almanac-backup-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, path: Path, name: str, *, over: bool = False) -> bool:
        """Upload a staged file if there is none of this name, or over it.

        A large one goes up in parts, which cannot be create-only; it appears whole, and under a name that is its
        content's hash every writer writes the same.
        """
        import obstore

        if path.stat().st_size <= _PART and not over:
            created = self.create(name, path.read_bytes())
        else:
            created = over or self.find(name) is None
            if created:
                with store_errors(self._where(name), "written"):
                    obstore.put(self._store, name, path, mode="overwrite", chunk_size=_PART, max_concurrency=4)
        path.unlink()
        return created

    def sync(self, names: Sequence[str]) -> None:
        """An object that is there is durable."""

    def remove(self, name: str) -> None:
        """Remove a file."""
        import obstore

        with store_errors(self._where(name), "removed"):
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def clear_leftovers(self, *, older_than: datetime) -> int:
        """Nothing unfinished can be seen; a rule of the bucket should end its unfinished multipart uploads."""
        return 0

    def tiers(self) -> TierStore:
        """By the provider's own client: obstore can neither list nor change tiers."""
        if self.uri.startswith(("s3:", "s3a:")):
            from almanac.backup.tiers.s3 import S3Tiers

            return S3Tiers(self.uri)
        if self.uri.startswith(("az:", "abfs:", "abfss:")):
            from almanac.backup.tiers.azure import AzureTiers

            return AzureTiers(self.uri)
        from almanac.backup.tiers.hot import OnlyHot

        return OnlyHot(self)

    def _where(self, name: str) -> str:
        return f"{self.uri}/{name}"
