"""The validated table of a model, readable at every version that a model version was trained on."""

from collections.abc import Collection

from almanac.backup.snapshot.writer import Draft
from almanac.backup.subjects.delta import delta_files
from almanac.config.home import Home
from almanac.data.table.loss import refuse_losses


def dataset_draft(home: Home, model: str, *, readable: Collection[int], version: int | None = None) -> Draft | None:
    """The dataset at a version; None before the first batch.

    Args:
        home: where it is.
        model: whose.
        readable: older versions that must stay readable.
        version: None: the newest.

    Raises:
        DataError: there is no such version, or files of a wanted version are gone.
        DataLossError: the table is behind what is known of it: older snapshots are better.
        TransientError: the store is away.
    """
    refuse_losses(home, model, ["dataset"])
    table = delta_files(home.dataset_of(model), version=version, readable=readable)
    return None if table is None else Draft(f"dataset/{model}", table.files, table.facts)
