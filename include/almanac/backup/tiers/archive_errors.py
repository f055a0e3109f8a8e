"""Errors of stores about objects in their archive tier, as errors that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager

from almanac.backup.tiers.port import FrozenError
from almanac.storage.errors import store_errors

# S3 by obstore and by boto3, Azure Blob by both.
_FROZEN = ("InvalidObjectState", "ObjectNotInActiveTierError", "BlobArchived", "BlobBeingRehydrated")


@contextmanager
def archive_errors(where: str, done: str) -> Iterator[None]:
    """Turn a store's faults into TransientError, and those that come of the archive into FrozenError.

    Args:
        where: the object.
        done: what could not be done to it, as a past participle.
    """
    with store_errors(where, done):
        try:
            yield
        except Exception as error:
            if any(code in str(error) for code in _FROZEN):
                raise FrozenError(where) from None
            raise
