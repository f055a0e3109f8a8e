"""Tiers on Azure Blob: Hot, Cool, Archive. obstore can neither list nor change them."""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from almanac.backup.tiers.archive_errors import archive_errors
from almanac.backup.tiers.port import OBJECTS, FrozenError, Readiness, Stored, Tier
from almanac.extras import extra

_NAMES: dict[Tier, str] = {"hot": "Hot", "cool": "Cool", "archive": "Archive"}
_TIERS: dict[str, Tier] = {"Cool": "cool", "Cold": "cool", "Archive": "archive"}


class AzureTiers:
    """Keeps `almanac.backup.tiers.port.TierStore` by access tiers.

    What was asked for of the archive becomes hot there, and goes back with the next move.

    Args:
        uri: `abfs://container/prefix`; account and key come from the environment, as for every store.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        container, _, prefix = self.uri.partition("://")[2].partition("/")
        self._name, self._prefix = container.partition("@")[0], f"{prefix}/" if prefix else ""

    def stored(self) -> Iterator[Stored]:
        """All objects."""
        with archive_errors(f"{self.uri}/{OBJECTS}", "listed"):
            for found in self._container.list_blobs(name_starts_with=f"{self._prefix}{OBJECTS}/"):
                yield self._stored(found)

    def look(self, name: str) -> Stored | None:
        """One object."""
        from azure.core.exceptions import ResourceNotFoundError

        with archive_errors(f"{self.uri}/{name}", "looked at"):
            try:
                return self._stored(self._container.get_blob_client(self._prefix + name).get_blob_properties())
            except ResourceNotFoundError:
                return None

    def move(self, name: str, tier: Tier) -> None:
        """Set its tier; one of the archive is asked for first, which Azure does by the same call."""
        found = self.look(name)
        if found is not None and found.tier == "archive":
            raise FrozenError(f"{self.uri}/{name}")
        with archive_errors(f"{self.uri}/{name}", "moved"):
            self._container.get_blob_client(self._prefix + name).set_standard_blob_tier(_NAMES[tier])

    def rehydrate(self, name: str, *, days: int) -> None:
        """Request it; a repeated request is not an error."""
        found = self.look(name)
        if found is None or found.readiness != "frozen":
            return
        with archive_errors(f"{self.uri}/{name}", "asked for"):
            blob = self._container.get_blob_client(self._prefix + name)
            blob.set_standard_blob_tier(_NAMES["hot"], rehydrate_priority="Standard")

    def _stored(self, found: Any) -> Stored:
        tier = _TIERS.get(str(found.blob_tier or ""), "hot")
        ready: Readiness = "ready" if tier != "archive" else "pending" if found.archive_status else "frozen"
        since = found.blob_tier_change_time or found.last_modified
        return Stored(found.name.removeprefix(self._prefix), int(found.size), tier, since, ready)

    @cached_property
    def _container(self) -> Any:
        with extra("azure", "a backup repository on Azure with tiers"):
            from azure.storage.blob import BlobServiceClient

        account = os.environ.get("AZURE_STORAGE_ACCOUNT_NAME", "")
        url = os.environ.get("AZURE_STORAGE_ENDPOINT") or f"https://{account}.blob.core.windows.net"
        return BlobServiceClient(url, credential=_credential(account)).get_container_client(self._name)


def _credential(account: str) -> Any:
    """The key or the token of the environment; without one the machine's own identity."""
    if key := os.environ.get("AZURE_STORAGE_ACCOUNT_KEY"):
        return {"account_name": account, "account_key": key}
    if token := os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return token
    with extra("azure", "Azure Blob with the identity of this machine"):
        from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()
