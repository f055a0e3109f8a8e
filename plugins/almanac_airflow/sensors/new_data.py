"""Waits for files in a model's landing area."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.configuration import conf
from airflow.sdk.definitions.context import Context
from airflow.sdk.exceptions import AirflowSensorTimeout

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac_airflow.operators.base import ModelOperator
from almanac_airflow.runs import now, run_context
from almanac_airflow.steps import arrival
from almanac_airflow.triggers.new_files import NewFilesTrigger

if TYPE_CHECKING:
    from almanac.data.ingest.new_files import NewFiles
    from almanac.registry.run_context import RunContext

_LOOK_AGAIN = timedelta(minutes=5)  # whatever the trigger has seen


class NewDataSensor(ModelOperator, BaseSensorOperator):
    """Waits until settled files lie in a model's landing area that no ingest has recorded.

    Each run reports files that no other run of this sensor has reported: the journal remembers them, so that nothing
    is reported twice and nothing is lost, whatever dies meanwhile. A retry of the same run reports the same files. A
    file that is written again is new.

    Skipped: nothing has come within `timeout`, with `soft_fail`; else the task fails. Retried: the store or the journal
    is unreachable. In every mode (`poke`, `reschedule`, deferrable) the same parameters count; deferrable it takes no
    worker's slot while it waits.

    Returns: the files: `uri`, `name`, `size_bytes`, `modified_at`.

    Args:
        model: the name of a declared model: its landing area, `source.patterns` and `source.settle`.
        min_files: wait for so many.
        max_age: or until one of them was written so long ago.
        deferrable: wait in the triggerer; by default as Airflow's `[operators] default_deferrable` says.
    """

    sections = ("source",)

    def __init__(
        self,
        *,
        min_files: int = 1,
        max_age: timedelta | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.min_files = min_files
        self.max_age = max_age
        self.deferrable = deferrable

    def execute(self, context: Context, event: Any = None, began: str = "") -> Any:
        """Look; then wait as the mode says.

        Args:
            context: Airflow's.
            event: of the trigger; what is new is looked up, whatever it says.
            began: when the waiting began.

        Raises:
            AirflowSensorTimeout: nothing has come in time.
            TaskDeferred: this is how a deferrable task waits.
        """
        if not self.deferrable:
            return BaseSensorOperator.execute(self, context)
        return self.work(run_context(Home(), context), context, began)

    def work(self, at: "RunContext", context: Context, began: str = "") -> Any:
        """Look; where there is nothing, wait in the triggerer.

        Args:
            at: see `InstallationOperator.work`.
            context: Airflow's.
            began: when the waiting began; empty: now.
        """
        model, start = self.found(), datetime.fromisoformat(began) if began else at.now
        seen = arrival.digest(at.home, model, at.now)
        found = self._look(at, model)
        if not found.files:
            self._wait(model, start, seen, found.wait)
        return arrival.to_json(found)

    def _wait(self, model: Declared, start: datetime, seen: str, wait: timedelta | None) -> None:
        left = start + timedelta(seconds=self.timeout) - now()
        if left <= timedelta():
            raise AirflowSensorTimeout(f"{model.name}: no new files within {timedelta(seconds=self.timeout)}")
        self.defer(
            trigger=self._trigger(model, seen, min(left, wait or _LOOK_AGAIN, _LOOK_AGAIN)),
            method_name="execute",
            kwargs={"began": start.isoformat()},
        )

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        found = self._look(run_context(Home(), context), self.found())
        return PokeReturnValue(bool(found.files), arrival.to_json(found) if found.files else None)

    def _look(self, at: "RunContext", model: Declared) -> "NewFiles":
        sensor = f"{self.dag_id}.{self.task_id}"
        found = arrival.look(at, model, sensor, self.min_files, self.max_age)
        self.log.info(
            "%s: %d files, %d of them reported now, %d still arriving",
            *(model.name, len(found.files) + len(found.waiting), len(found.files), found.unsettled),
        )
        return found

    def _trigger(self, model: Declared, seen: str, look_again: timedelta) -> NewFilesTrigger:
        return NewFilesTrigger(
            root=Home().landing_of(model.name),
            patterns=list(model.source.patterns),
            poll_s=model.source.poll.total_seconds(),
            settle_s=model.source.settle.total_seconds(),
            seen=seen,
            look_again_at=(now() + look_again).timestamp(),
        )
