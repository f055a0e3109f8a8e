"""The story goes on: everything is backed up, files are deleted, and a command brings them back."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from demo.stage import MODEL, StoryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.stage import Stage

# After MAIN_STORY, RECOVERY_STORY, PIPELINE_STORY and PROMOTION_STORY.
FIRST = 13
DIFFERS = 3  # what came back is whole, and other parts are not yet


def champion_is_backed_up(stage: Stage) -> None:
    """The promotion has triggered a backup of the model."""
    stage.wait_quiet()
    run = stage.wait_run("backup_model", after=set(), what="the backup of the champion")
    stage.ledger.check(FIRST, "triggered by the promotion", expected="success", seen=run.state)
    champion = stage.version_of("champion")
    listed = _almanac(stage, "list", f"model/{MODEL}")
    seen = champion if f"version {champion}" in listed else listed
    stage.ledger.check(FIRST, "the champion is in a snapshot", expected=champion, seen=seen)


def data_and_databases_are_backed_up(stage: Stage) -> None:
    """One run takes databases first, then everything that they name, as one group."""
    run = stage.airflow.trigger("backup_databases", {"reason": "the demo"})
    run = stage.wait_end(run, timeout_s=240)
    (group,) = stage.result(run, "backup")
    stage.ledger.check(FIRST + 1, "a green run", expected="success", seen=run.state)
    listed = _almanac(stage, "show", "group/all")
    subjects = ("database/mlflow", "database/journal", "database/airflow", f"dataset/{MODEL}", f"outputs/{MODEL}")
    missing = [subject for subject in subjects if f"member     {subject}@" not in listed]
    stage.ledger.check(FIRST + 1, "databases, data and outputs in the group, missing", expected=[], seen=missing)
    stage.report(f"          {group['snapshot']}: {group['members']} snapshots")
    intact = "; 0 damaged" in _almanac(stage, "verify")
    stage.ledger.check(FIRST + 1, "every object as recorded", expected=True, seen=intact)


def retention_shows_its_plan(stage: Stage) -> None:
    """A dry run says what would go, and why the rest stays."""
    run = stage.airflow.trigger("retention", {"dry_run": True})
    run = stage.wait_end(run, timeout_s=120)
    (plan,) = stage.result(run, "forget").values()
    champion = f"{MODEL}@{stage.version_of('champion')} (champion"
    why = next((line for line in plan["stays"] if champion in line), "nothing says so")
    stage.ledger.check(
        FIRST + 2, "the champion's snapshot stays, because", expected=champion, seen=why[:160], passed=champion in why
    )
    gone = _almanac(stage, "list", "--all").count("forgotten")
    stage.ledger.check(FIRST + 2, "a dry run forgets nothing", expected=0, seen=gone)


def drill_passes(stage: Stage) -> None:
    """Everything is restored into scratch and used; a damaged copy is refused."""
    run = stage.airflow.trigger("restore_drill", {})
    run = stage.wait_end(run, timeout_s=240)
    stage.ledger.check(FIRST + 3, "the drill", expected="success", seen=run.state)
    lines = stage.result(run, "drill")
    for line in lines:
        stage.report(f"          {line[:150]}")
    stage.ledger.check(FIRST + 3, "stored inputs predicted again", expected=True, seen="predicted again" in str(lines))
    refused = "damaged copy refused" in str(lines)
    stage.ledger.check(FIRST + 3, "a copy damaged on purpose is refused", expected=True, seen=refused)


def deleted_files_come_back(stage: Stage) -> None:
    """Somebody deletes the files of MLflow and of the dataset; two commands bring them back, byte for byte."""
    stage.wait_quiet()
    _almanac(stage, "backup", f"dataset/{MODEL}", f"model/{MODEL}")
    artifacts, dataset = stage.artifacts, Path(stage.home.dataset_of(MODEL))
    rows, champion = stage.dataset_rows(), stage.version_of("champion")
    graph = _graph(stage, str(champion))
    for folder in (artifacts, dataset):
        shutil.rmtree(folder)
    stage.ledger.check(FIRST + 4, "gone: rows of the dataset", expected=0, seen=stage.dataset_rows())
    stage.report(f"          almanac restore dataset/{MODEL} --live")
    _almanac(stage, "restore", f"dataset/{MODEL}", "--live", exit_code=DIFFERS)  # the registry's files are gone still
    *others, last = _newest_of_each_version(stage)
    for snapshot in (*others, last):
        stage.report(f"          almanac restore {snapshot} --live")
        _almanac(stage, "restore", snapshot, "--live", exit_code=0 if snapshot == last else DIFFERS)
    stage.ledger.check(FIRST + 4, "rows of the dataset", expected=rows, seen=stage.dataset_rows())
    stage.ledger.check(FIRST + 4, "the champion's graph, SHA-256", expected=graph, seen=_graph(stage, str(champion)))
    run = stage.run_by_hand("score", {"since": "2024-02-10T00:00:00Z", "until": "2024-02-11T00:00:00Z"})
    stage.ledger.check(FIRST + 4, "a day is scored with both", expected="success", seen=run.state)


def damaged_snapshot_is_refused(stage: Stage) -> None:
    """One bit of one object of the newest dataset snapshot flips."""
    listed = _almanac(stage, "show", f"dataset/{MODEL}", "--files")
    line = next(line for line in listed.splitlines() if line.endswith(".parquet"))
    start, path = line.split()[0], line.split()[-1]
    (victim,) = (Path(stage.home.backups) / "objects" / start[:2]).glob(f"{start}*")
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    output = _almanac(stage, "restore", f"dataset/{MODEL}", "--to", str(stage.home.home / "back"), exit_code=1)
    stage.ledger.check(
        FIRST + 5, "refused, and the file is named", expected=path, seen=path if path in output else output[:160]
    )
    stage.ledger.check(FIRST + 5, "nothing was restored", expected=False, seen=(stage.home.home / "back").exists())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)


BACKUP_STORY: tuple[tuple[str, Callable[[Stage], None]], ...] = (
    ("The champion is backed up", champion_is_backed_up),
    ("Databases, data and models are backed up as one group", data_and_databases_are_backed_up),
    ("Retention shows its plan", retention_shows_its_plan),
    ("A drill proves that all of it comes back", drill_passes),
    ("MLflow's and the dataset's files are deleted, and brought back", deleted_files_come_back),
    ("A damaged snapshot is refused", damaged_snapshot_is_refused),
)


def _almanac(stage: Stage, *arguments: str, exit_code: int = 0) -> str:
    """What the command line says, in the story's home."""
    done = stage.almanac(*arguments)
    output = done.stdout + done.stderr
    if done.returncode != exit_code:
        raise StoryError(f"almanac {' '.join(arguments)} ended with {done.returncode}: {output[-500:]}")
    return output


def _graph(stage: Stage, version: str) -> str:
    run_id = stage.mlflow.get_model_version(MODEL, version).run_id
    with tempfile.TemporaryDirectory(prefix="almanac-") as folder:
        graph = Path(stage.mlflow.download_artifacts(run_id, "model/model.onnx", folder)).read_bytes()
    return hashlib.sha256(graph).hexdigest()[:16]


def _newest_of_each_version(stage: Stage) -> list[str]:
    newest: dict[str, str] = {}
    for line in _almanac(stage, "list", f"model/{MODEL}").splitlines():
        newest[line.split("version ")[1].split()[0]] = line.split()[0]
    return list(newest.values())
