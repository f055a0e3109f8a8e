"""Checks of a batch as a whole."""

from datetime import datetime
from typing import TYPE_CHECKING

from include.config.dataset import Dataset
from include.data.dataset import Snapshot
from include.validation.findings import Finding

if TYPE_CHECKING:
    import polars as pl


def find_skew(
    sample: "pl.DataFrame", every: int, snapshot: Snapshot, dataset: Dataset, *, now: datetime
) -> tuple[Finding, ...]:
    """Stub."""
    return ()
