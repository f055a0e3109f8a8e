"""Small models in a real installation: files for them, real kills, and what must be true of all of it in the end."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import yaml

from almanac.config.files.loader import find_model
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.quarantine.quarantine import Quarantine
from almanac.data.table.dataset import DatasetTable
from almanac.errors import TransientError
from almanac.journal.journal import Journal
from almanac.journal.records import BatchState
from almanac.services.airflow_api import AirflowClient, DagRun
from almanac.services.environment import MARKER
from almanac.storage.files import write_bytes
from almanac.storage.objects import is_remote
from tests.data.installation import START, tiny_csv
from tests.waiting import wait

# After claim, after validation, after commit before journal, after journal before event.
POINTS = ("claimed", "validated", "committed", "journaled")

_DATASET = {
    "time": "Time",
    "step": "1h",
    "key": ["Time"],
    "max_bad_share": 0.5,
    "origin": "made up",
    "licence": "none needed",
    "columns": {
        "Time": {"type": "timestamp"},
        "x": {"type": "float", "min": 0, "max": 10},
        "kind": {"type": "string", "values": ["a", "b"]},
    },
}
_MODEL: dict[str, Any] = {
    "dataset": _DATASET,
    "source": {"settle": "1s", "poll": "1s"},
    "label": {"name": "a_in_4h", "column": "kind", "equals": "a", "horizon": "4h"},
    "features": [{"column": "x"}],
}
_GOOD, _BAD = 4, 2  # rows of a file


def declare(models: Path, names: Sequence[str], *, sweep: str = "*/2 * * * *") -> None:
    """Write one YAML for each quay; scoring alone listens to their datasets, and only to that of the first."""
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    for name in names:
        gates = {kind: weather["gates"][kind] for kind in ("absolute", "baselines", "champion", "segments")}
        asleep = ["train", "monitor"] if name == names[0] else ["train", "monitor", "score"]
        pipelines = {"pipelines": {kind: {"enabled": False} for kind in asleep}}
        source = {"source": {**_MODEL["source"], "sweep": sweep}}
        declared = {**_MODEL, **source, **pipelines, "title": name, "description": name, "owner": "harbour"}
        taken = {"train": {"candidates": weather["train"]["candidates"]}, "gates": gates}
        monitor = {"monitor": {"performance": weather["monitor"]["performance"]}}
        text = yaml.safe_dump({**declared, **taken, **monitor})
        (models / f"{name}.yaml").write_text(text, "utf-8")


@dataclass(frozen=True)
class Landed:
    """A file that has landed."""

    batch_id: str
    good: tuple[tuple[Any, ...], ...]  # Time, x, kind, batch, row
    bad: tuple[tuple[Any, ...], ...]  # batch, row, raw


class Quay:
    """One model of a real installation."""

    def __init__(self, home: Home, name: str, faults: Path) -> None:
        self.home, self.name, self.faults = home, name, faults
        model = find_model(home.models, name)
        self.dataset, self.quarantine = DatasetTable.of(home, model), Quarantine(home, model)
        self.journal = Journal(home.journal_url)
        self.landed: list[Landed] = []

    def land(self, stop_at: str = "") -> Landed:
        """Land the next file: good rows, one out of range, one that is no number. No two files are the same.

        Args:
            stop_at: the point at which whoever takes the file is to be stopped.
        """
        number = len(self.landed)
        salt = int(hashlib.sha256(self.name.encode()).hexdigest()[:6], 16) / 1e7
        good = [(24 * number + hour, hour + salt, "a") for hour in range(_GOOD)]
        bad = [(24 * number + _GOOD, 99, "a"), (24 * number + _GOOD + 1, "x", "b")]
        content = tiny_csv([*good, *bad])
        batch = hashlib.sha256(content.encode()).hexdigest()
        raw = [json.dumps({"Time": _time(hour).isoformat(), "x": str(x), "kind": kind}) for hour, x, kind in bad]
        landed = Landed(
            batch,
            tuple((_time(hour), x, kind, batch, row) for row, (hour, x, kind) in enumerate(good, start=1)),
            tuple((batch, row, text.replace(": ", ":").replace(", ", ",")) for row, text in enumerate(raw, _GOOD + 1)),
        )
        if stop_at:
            self._order(stop_at, landed).touch()  # before there is anybody to be stopped
        self._put(f"{number:03}.csv", content)
        self.landed.append(landed)
        return landed

    def stopped(self, point: str, landed: Landed, *, again: bool = False) -> psutil.Process:
        """The process that has stopped there; the next one passes, or will stop there again."""
        order = self._order(point, landed)
        mark = order.with_name(f"{order.name}.reached")
        wait(mark.exists, f"{self.name} to reach {point}")
        if not again:
            order.unlink()
        process = psutil.Process(int(mark.read_text("utf-8")))
        mark.unlink()
        assert process.environ()[MARKER] == str(self.home.home)  # nothing else may ever be killed here
        return process

    def land_and_kill(self, point: str, *, with_worker: bool = False) -> None:
        """Land a file and kill the process that takes it; with its worker nobody is left who saw it die."""
        victim = self.stopped(point, self.land(stop_at=point))
        if with_worker and (worker := victim.parent()) is not None:
            worker.kill()
        victim.kill()

    def published(self) -> bool:
        """Whether all that has landed is in the journal; that is written last."""
        known = {batch.batch_id for batch in self.journal.batches(self.name)}
        return len(self.journal.arrivals(self.name)) == len(self.landed) == len(known)

    def check(self) -> None:
        """Every good row is in the dataset and every bad one in quarantine, once, each with the batch it came in."""
        columns = ["Time", "x", "kind", "_batch", "_row"]
        rows, bad = self.dataset.read(columns=columns).rows(), self.quarantine.read_rows()
        assert Counter(rows) == Counter(row for one in self.landed for row in one.good)
        assert Counter(bad.select("batch", "row", "raw").rows()) == Counter(
            row for one in self.landed for row in one.bad
        )
        batches = self.journal.batches(self.name)
        assert [batch.state for batch in batches] == [BatchState.PUBLISHED] * len(self.landed)
        assert {batch.batch_id for batch in batches} == {one.batch_id for one in self.landed}

    def check_rung(self, airflow: AirflowClient) -> None:
        """The dataset's event has rung for the newest version."""
        newest = max(batch.dataset_version or 0 for batch in self.journal.batches(self.name))
        versions = [event["extra"]["dataset_version"] for event in events_of(airflow, self.name)]
        assert versions
        assert versions[-1] >= newest

    def _order(self, point: str, landed: Landed) -> Path:
        return self.faults / f"{point}.{landed.batch_id}"

    def _put(self, name: str, content: str) -> None:
        """Drop the file as a port would: whole, under its final name."""
        place = self.home.landing_of(self.name)
        if is_remote(place):
            write_bytes(f"{place}/{name}", content.encode())
            return
        folder = Path(place)
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{name}"
        part.write_text(content, "utf-8")
        part.rename(folder / name)


def check_heard(airflow: AirflowClient, name: str) -> None:
    """Scoring was triggered by every event of the dataset."""
    rung = {event["id"] for event in events_of(airflow, name)}

    def heard() -> bool:
        runs = [run.run_id for run in airflow.runs(f"score_{name}")]
        return rung <= {
            event["id"]
            for run_id in runs
            for event in _rows(airflow, f"/dags/score_{name}/dagRuns/{run_id}/upstreamAssetEvents")
        }

    wait(heard, f"score_{name} to be triggered by every event")


def wait_until_ended(airflow: AirflowClient, name: str) -> None:
    """Wait until no ingest of the model is under way, and see that none has failed."""

    def ended() -> tuple[DagRun, ...] | None:
        runs = airflow.runs(f"ingest_{name}")
        return runs if all(run.finished for run in runs) else None

    # one look for both: another run may begin before the next
    bad = [run for run in wait(ended, f"ingest_{name} to end") if run.state != "success"]
    assert not bad, [(run, airflow.tasks(run.dag_id, run.run_id)) for run in bad]


def events_of(airflow: AirflowClient, name: str) -> list[dict[str, Any]]:
    """What the dataset's event has said, oldest first."""
    (asset,) = [each for each in _rows(airflow, "/assets") if each["uri"] == f"almanac://{name}/dataset"]

    def answered() -> tuple[list[dict[str, Any]]] | None:
        try:
            return (_rows(airflow, "/assets/events", asset_id=str(asset["id"]), order_by="timestamp"),)
        except TransientError:  # Airflow 3.3 answers 500 while a run that the event triggered has not begun
            return None

    (events,) = wait(answered, f"the events of {name}")
    return events


def _rows(airflow: AirflowClient, path: str, **query: str) -> list[dict[str, Any]]:
    found: Any = airflow.call("GET", path, limit="100", **query)
    (rows,) = [value for value in found.values() if isinstance(value, list)]
    return list(rows)


def _time(hour: int) -> datetime:
    return START + timedelta(hours=hour)
