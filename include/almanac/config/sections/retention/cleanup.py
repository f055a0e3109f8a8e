"""How long what the installation writes about itself is kept: `cleanup` of `_installation.yaml`. Null: for ever."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Cron, Duration, format_duration


def _at_least(shortest: timedelta, why: str) -> Callable[[timedelta], timedelta]:
    def check(value: timedelta) -> timedelta:
        if value < shortest:
            raise ValueError(
                f"too short; got {format_duration(value)}, expected at least {format_duration(shortest)}: {why}"
            )
        return value

    return check


HistoryAge = Annotated[
    Duration,
    AfterValidator(
        _at_least(
            timedelta(days=14),
            "monitors compare with the runs of the last week, and requests for approval stay open for days",
        )
    ),
]
LogAge = Annotated[Duration, AfterValidator(_at_least(timedelta(days=7), "an alert links to the log of its task"))]
JournalAge = Annotated[
    Duration,
    AfterValidator(
        _at_least(timedelta(days=90), "the training budget, drills and open alerts are read from the journal")
    ),
]
ModelRunAge = Annotated[
    Duration, AfterValidator(_at_least(timedelta(days=30), "an approval of a candidate may still be open"))
]


class Cleanup(Section):
    """Only what is old enough, and read by nothing, goes; rows of a database only when a snapshot holds them."""

    schedule: Cron = Field("45 2 * * *", description="After the backup of the databases.")
    airflow_history: HistoryAge | None = Field(
        timedelta(days=60), description="Runs, tasks, XComs, events, audit log and the like of Airflow's database."
    )
    task_logs: LogAge | None = Field(timedelta(days=60), description="Log files of tasks and of the dag-processor.")
    journal: JournalAge | None = Field(
        timedelta(days=400),
        description="Delivered alerts, closed alerts, refused trainings, files without new rows. Never a decision"
        " about a model version.",
    )
    model_runs: ModelRunAge | None = Field(
        timedelta(days=180),
        description="MLflow's runs of refused candidates and of trials, with their files. Never the run of a"
        " registered version, nor one in a snapshot.",
    )
    max_deleted_share: Annotated[float, Field(ge=0.0, le=1.0)] = Field(
        0.8, description="A run that would delete a larger share of a kind's files needs a person's approval."
    )


CLEANED = ("airflow_history", "task_logs", "journal", "model_runs")
