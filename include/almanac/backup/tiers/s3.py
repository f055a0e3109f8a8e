"""Tiers on S3 and what speaks like it: STANDARD, STANDARD_IA, GLACIER. obstore can neither list nor change them."""

import os
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from almanac.backup.tiers.archive_errors import archive_errors
from almanac.backup.tiers.port import OBJECTS, Readiness, Stored, Tier
from almanac.extras import extra

_CLASSES: dict[Tier, str] = {"hot": "STANDARD", "cool": "STANDARD_IA", "archive": "GLACIER"}
_TIERS: dict[str, Tier] = {
    "STANDARD_IA": "cool",
    "ONEZONE_IA": "cool",
    "GLACIER_IR": "cool",
    "GLACIER": "archive",
    "DEEP_ARCHIVE": "archive",
}
_PENDING = 'ongoing-request="true"'
_RESTORED = 'ongoing-request="false"'


class S3Tiers:
    """Keeps `almanac.backup.tiers.port.TierStore` by storage classes.

    Args:
        uri: `s3://bucket/prefix`; keys, region and endpoint come from the environment, as for every store.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        bucket, _, prefix = self.uri.partition("://")[2].partition("/")
        self._bucket, self._prefix = bucket, f"{prefix}/" if prefix else ""

    def stored(self) -> Iterator[Stored]:
        """All objects."""
        pages = self._client.get_paginator("list_objects_v2")
        with archive_errors(f"{self.uri}/{OBJECTS}", "listed"):
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}{OBJECTS}/"):
                for found in page.get("Contents", ()):
                    tier = _TIERS.get(found.get("StorageClass", ""), "hot")
                    name = found["Key"].removeprefix(self._prefix)
                    ready: Readiness = "frozen" if tier == "archive" else "ready"
                    yield Stored(name, int(found["Size"]), tier, found["LastModified"], ready)

    def look(self, name: str) -> Stored | None:
        """One object."""
        from botocore.exceptions import ClientError

        with archive_errors(f"{self.uri}/{name}", "looked at"):
            try:
                found = self._client.head_object(Bucket=self._bucket, Key=self._prefix + name)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                    return None
                raise
        tier = _TIERS.get(found.get("StorageClass", ""), "hot")
        restore = found.get("Restore", "")
        ready: Readiness = "ready" if tier != "archive" or _RESTORED in restore else "frozen"
        if _PENDING in restore:
            ready = "pending"
        return Stored(name, int(found["ContentLength"]), tier, found["LastModified"], ready)

    def move(self, name: str, tier: Tier) -> None:
        """Copy it onto itself, in one step of the server's, or in parts above 5 GiB."""
        key = self._prefix + name
        with archive_errors(f"{self.uri}/{name}", "moved"):
            self._client.copy(
                {"Bucket": self._bucket, "Key": key},
                self._bucket,
                key,
                ExtraArgs={"StorageClass": _CLASSES[tier], "MetadataDirective": "COPY"},
            )

    def rehydrate(self, name: str, *, days: int) -> None:
        """Request it; a repeated request is not an error."""
        from botocore.exceptions import ClientError

        wish = {"Days": days, "GlacierJobParameters": {"Tier": "Standard"}}
        with archive_errors(f"{self.uri}/{name}", "asked for"):
            try:
                self._client.restore_object(Bucket=self._bucket, Key=self._prefix + name, RestoreRequest=wish)
            except ClientError as error:
                if error.response["Error"]["Code"] != "RestoreAlreadyInProgress":
                    raise

    @cached_property
    def _client(self) -> Any:
        with extra("s3", "a backup repository on S3 with tiers"):
            import boto3

        environment = os.environ
        return boto3.session.Session().client(
            "s3",
            endpoint_url=environment.get("AWS_ENDPOINT_URL") or environment.get("AWS_ENDPOINT"),
            region_name=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION"),
        )
