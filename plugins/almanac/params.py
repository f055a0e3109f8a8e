"""The forms that people fill in when they start a run by hand. Airflow checks them by their JSON schema."""

from airflow.sdk import Param

from include.config.schema import Model


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
            description=f"Which declared candidates compete. Empty: all of them ({', '.join(names)}).",
        ),
        "overrides": Param(
            None,
            type=["null", "object"],
            title="Estimator parameters",
            description='Laid over the declared parameters of every candidate, e.g. {"max_depth": 6}. The gates stay.',
        ),
        "reason": Param(
            None,
            type=["null", "string"],
            maxLength=500,
            title="Reason",
            description="Why you start this run. Kept in the decision and on the model version.",
        ),
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
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only say which files would be taken; nothing is read, published or moved.",
        ),
    }


def range_params() -> dict[str, Param]:
    """A range of event time."""
    return {
        "since": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Since",
            description="First hour to score, with its offset (2024-01-01T00:00:00Z). Empty: what is new.",
        ),
        "until": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Until",
            description="End of the range, itself left out. Empty: the end of the dataset.",
        ),
    }
