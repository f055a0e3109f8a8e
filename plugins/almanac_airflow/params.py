"""The forms of runs that people start by hand. Airflow checks them by their JSON schema."""

from typing import Any, get_args

from airflow.sdk import Param

from almanac.config.schema import Model
from almanac.config.sections.rollout import MOVES
from almanac.config.sections.training import Mode

ANSWER_REASON = "why"  # not `reason`: Airflow would fill it with the reason for which the run was started


def training_params(model: Model) -> dict[str, Param]:
    """What a person may choose for one training run."""
    names = sorted(model.train.candidates)
    return {
        "candidates": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "enum": names},
            examples=names,
            title="Candidates",
            description=f"Which declared candidates are compared. Empty: all of them ({', '.join(names)}).",
        ),
        "overrides": Param(
            None,
            type=["null", "object"],
            title="Estimator parameters",
            description='Overrides declared parameters of every candidate, e.g. {"max_depth": 6}. The gates stay.',
        ),
        "mode": Param(
            None,
            type=["null", "string"],
            enum=[None, *get_args(Mode)],
            title="Mode",
            description="scratch: train from the start. incremental: continue the champion on newer rows, or refuse. "
            f"auto: continue it where possible. Empty: as declared ({model.train.mode}).",
        ),
        "reason": optional_reason("Why you start this run. Kept in the decision and on the model version."),
    }


def forecast_params() -> dict[str, Param]:
    """What a person may choose for one forecast."""
    return {
        "as_of": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="As of",
            description="A time of the past: forecast from there, as if no later row had come. Such a forecast is"
            " collected, judged and reported, and never published. Empty: from the newest row.",
        ),
    }


def adjustment_params() -> dict[str, Param]:
    """How a person adjusts a forecast, or takes an adjustment back."""
    text = ["null", "string"]
    return {
        "grain": Param(None, type=text, title="Grain", description='As the report names it, e.g. ["S01"].'),
        "percent": Param(None, type=["null", "number"], title="Percent", description="+10 makes 100 into 110."),
        "since": Param(None, type=text, format="date-time", title="From", description="The first time adjusted."),
        "until": Param(None, type=text, format="date-time", title="Up to", description="Exclusive."),
        "expires": Param(
            None,
            type=text,
            format="date-time",
            title="Expires",
            description="Until when it is applied. Empty: 30 days.",
        ),
        "undo": Param(None, type=text, title="Undo", description="Instead of all above: the id of an adjustment."),
        "why": _reason("Why. Kept in the journal with your name."),
    }


def ingest_params() -> dict[str, Param]:
    """What a person may choose for one ingest."""
    return {
        "files": Param(
            None,
            type=["null", "array"],
            items={"type": "string", "minLength": 1},
            title="Files",
            description="Names or globs of files in the landing area (weather_2024-*.csv). Empty: all that are new.",
        ),
        "dry_run": dry_run("Only list the files that would be ingested; nothing is read, published or moved."),
    }


def range_params() -> dict[str, Param]:
    """A range of event time."""
    return {
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="Start of the range, with its offset (2024-01-01T00:00:00Z). Empty: what is new.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="End of the range, exclusive. Empty: the end of the dataset.",
        ),
    }


def readmission_params() -> dict[str, Param]:
    """Which quarantined rows to check again, what was repaired in them, and why."""
    return {
        "batch": Param(
            type="string",
            pattern="^[0-9a-f]{8,64}$",
            title="Batch",
            description="The first characters of its id: `./almanac quarantine list` and its report page show them.",
        ),
        "rows": Param(
            None,
            type=["null", "array"],
            items={"type": "integer", "minimum": 1},
            title="Rows",
            description="Numbers of the quarantined rows. Empty: all of the batch.",
        ),
        "edits": Param(
            None,
            type=["null", "object"],
            additionalProperties={"type": "object"},
            title="Edits",
            description='What was repaired, by row and column: {"7": {"Humidity": "0.8"}}. Empty: nothing.',
        ),
        "whole_file": Param(
            False,
            type="boolean",
            title="Rejected file",
            description="Check the whole rejected file of this batch again, after its declaration was corrected.",
        ),
        "reason": _reason("Why the rows are correct now. Kept in the commit and in the journal, with your name."),
    }


def maintenance_params() -> dict[str, Param]:
    """Whether to look only."""
    only = "Only list what would be removed and which versions are needed by whom; change nothing."
    return {"dry_run": dry_run(only)}


def rollout_params() -> dict[str, Param]:
    """What a person asks of the open rollout, and why."""
    return {
        "move": Param(
            None,
            type=["null", "string"],
            enum=[None, *MOVES],
            title="Move",
            description="pause: go no further. resume. advance: to the next step now. set-back: by one step. abort: the"
            " champion answers everybody. Empty: what follows from the figures.",
        ),
        "reason": optional_reason("Why; needed for a move. Kept in the journal, with your name."),
    }


def rollback_params() -> dict[str, Param]:
    """Where to, and why."""
    return {
        "to": Param(
            "previous",
            type="string",
            pattern="^(previous|[1-9][0-9]*)$",
            title="To version",
            description="A version's number, or previous: the champion before the one that is in production now.",
        ),
        "reason": _reason("Why the champion is replaced. Kept in the journal and on the version, with your name."),
    }


def promotion_params() -> dict[str, Param]:
    """Which version, and why."""
    return {
        "version": Param(
            None,
            type=["null", "string"],
            pattern="^[1-9][0-9]*$",
            title="Version",
            description="The number of a registered version whose gates passed. It is promoted at once if you may"
            " decide alone (`approval.users`); else a person who may is asked.",
        ),
        "reason": optional_reason(
            "Why you promote it. Required in a run by hand; kept in the journal and on the version, with your name.",
            minLength=3,
        ),
    }


def dry_run(description: str) -> Param:
    """Whether to look only."""
    return Param(False, type="boolean", title="Dry run", description=description)


def optional_reason(description: str, **more: Any) -> Param:
    """Why a person does it; optional. Without null the page would demand a text."""
    return Param(None, type=["null", "string"], maxLength=500, title="Reason", description=description, **more)


def answer_params(description: str) -> dict[str, Param]:
    """Why a person gives this answer to a question of a run."""
    return {ANSWER_REASON: optional_reason(description, source="task")}  # the form of a question shows no others


def _reason(description: str) -> Param:
    """Why a person does it; required."""
    return Param(type="string", minLength=3, maxLength=500, title="Reason", description=description)
