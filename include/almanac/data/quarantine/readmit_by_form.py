"""What a person filled in, as a readmission, and its end as plain JSON."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.data.quarantine.quarantine import full_batch_id
from almanac.data.quarantine.readmission import Readmitter
from almanac.data.quarantine.readmit_file import readmit_file
from almanac.data.quarantine.repair import edits_from_json
from almanac.errors import ConfigError, DataError
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef


def readmit_by_form(
    model: Declared, home: Home, journal: Journal, form: Mapping[str, Any], run: RunRef, clock: Callable[[], datetime]
) -> dict[str, Any]:
    """Readmit rows, or the whole file, as the form says.

    Args:
        model: whose rows.
        home: where everything is.
        journal: gets a decision.
        form: `batch`, `rows`, `edits`, `whole_file`, `reason`.
        run: the run that does it.
        clock: for records, and for the rule about future times.

    Returns:
        `batch`, `published_rows`, `dropped_rows`, `already`, `refusals` and `dataset_version` (None when nothing was
        published).

    Raises:
        ConfigError: the form contradicts itself, or has no reason.
        DataError: there is no such batch, row or column.
        TransientError: the store or the journal is unreachable.
    """
    if form["whole_file"]:
        if form["rows"] or form["edits"]:
            raise ConfigError("rows and edits belong to quarantined rows; a rejected file is readmitted unchanged")
        done = readmit_file(model, home, journal, form["batch"], run=run, reason=form["reason"], clock=clock)
        return {
            "batch": form["batch"],
            "published_rows": done.summary.published_rows,
            "dropped_rows": done.summary.dropped_rows,
            "already": 0,
            "refusals": [] if done.accepted else list(done.reasons[1:]),
            "dataset_version": done.summary.dataset_version,
        }
    batch_id = full_batch_id(home, model, journal, form["batch"])
    readmitter = Readmitter(model, home, journal, run, form["reason"], clock)
    result = readmitter.readmit(batch_id, rows=form["rows"], edits=edits_from_json(form["edits"] or {}))
    return {
        "batch": batch_id,
        "published_rows": len(result.published),
        "dropped_rows": len(result.dropped),
        "already": len(result.already),
        "refusals": result.refusals(),
        "dataset_version": result.dataset_version,
    }


def raise_refusals(model: Declared, refusals: Sequence[str]) -> None:
    """Fail when anything was refused.

    Raises:
        DataError: it was; says what, and why.
    """
    if refusals:
        message = "\n".join(refusals)
        raise DataError(f"{model.name}: refused, and still in quarantine. Correct it and readmit it again:\n{message}")
