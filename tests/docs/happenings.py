"""What happens before somebody opens a runbook, and what must be true when it has been followed.

Each function runs in a process of its own, in the stage's folder and with its variables; it raises when something is
not as the page promises.
"""

import html
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from almanac.config.home import Home
from tests.docs.states import MODEL, _journal, _run, declare, facts, know

DAY_S = 86_400.0


def _model() -> Any:
    from almanac.config.files.loader import find_model

    return find_model(Home().models, MODEL)


def _rows() -> int:
    from deltalake import DeltaTable

    return int(DeltaTable(Home().dataset_of(MODEL)).count())


def humidity_is_declared_in_percent() -> None:
    """The file was right and the declaration wrong."""
    import yaml

    columns = yaml.safe_load(Path("models/weather.yaml").read_text("utf-8"))["dataset"]["columns"]
    columns["Humidity"]["max"] = 100
    declare(dataset={"columns": columns})


def the_rejected_file_is_published() -> None:
    """48 rows of it, and it has left quarantine."""
    from almanac.data.quarantine.quarantine import Quarantine

    assert _rows() == 4365 + 48, _rows()
    assert list(Quarantine(Home(), _model()).kept_files()) == []


def one_row_is_repaired() -> None:
    """Row 7 is published, two rows stay."""
    from almanac.data.quarantine.quarantine import Quarantine

    assert _rows() == 4365 + 1
    assert sorted(Quarantine(Home(), _model()).read_rows()["row"]) == [9, 11]


def the_export_is_edited() -> None:
    """Somebody corrects all three rows in a spreadsheet."""
    path = Path("repair.csv")
    text = path.read_text("utf-8-sig")
    assert text.count(",80,") == 2
    assert "hail" in text
    path.write_text(text.replace(",80,", ",0.8,").replace("hail", "rain"), "utf-8")


def nothing_is_left_in_quarantine() -> None:
    """All three rows are published."""
    from almanac.data.quarantine.quarantine import Quarantine

    assert _rows() == 4365 + 3
    assert Quarantine(Home(), _model()).read_rows().is_empty()


def the_yaml_is_removed() -> None:
    """The model's file is gone; the page of backups names it, with the line that ends its protection."""
    from almanac.backup.retention.protected import protected_models

    Path("models/weather.yaml").unlink()
    assert protected_models(Home()).undeclared == (MODEL,)


def nobody_is_protected() -> None:
    """No backup takes it any more."""
    from almanac.backup.retention.protected import protected_models

    assert protected_models(Home()).models == ()


def the_model_is_protected() -> None:
    """Backups take it as before."""
    from almanac.backup.retention.protected import protected_models

    assert protected_models(Home()).models == (MODEL,)


def reports_are_old() -> None:
    """Reports go after a day, and those that there are are older; all of them at once, which asks a person."""
    declare(expire={"reports": "1d", "max_deleted_share": 0.5})
    found = [path for path in Path(Home().reports_of(MODEL)).rglob("*") if path.is_file()]
    assert found
    for path in found:
        os.utime(path, (time.time() - 9 * DAY_S,) * 2)


def a_few_reports_are_old() -> None:
    """No more than may go without a person."""
    reports_are_old()
    declare(expire={"max_deleted_share": 0.9})


def an_environment_without_packages_is_asked_for() -> None:
    """So that nothing is fetched; one with a package is built in `tests/programs/test_environments.py`."""
    folder = Path("models") / "environments"
    folder.mkdir(parents=True)
    (folder / "churn.txt").write_text("# nothing but Python\n", "utf-8")


def reports_are_gone() -> None:
    """Deleted where they lie, but those of a batch that has rows in quarantine."""
    left = sorted(path.name for path in Path(Home().reports_of(MODEL)).rglob("*.html") if path.is_file())
    assert left, "the report of the quarantined rows is gone, too"
    assert all(name.startswith(facts()["batch"]) for name in left), left


def windows_are_declared() -> None:
    """A window a day; nobody has closed any."""
    declare(triggers={"daily": {"kind": "window", "size": "1d", "start": "2024-02-01T00:00:00Z"}})
    declare(pipelines={"score": {"when": "daily"}})


def scoring_is_stopped() -> None:
    """The monitor has stopped it."""
    from almanac.scoring.pause import stop_scoring

    stop_scoring(_journal(), MODEL, reason="F1 fell to 0.31", run=_run("monitor"), now=datetime.now(UTC))


def scoring_goes_on() -> None:
    """Nobody stops it any more."""
    from almanac.scoring.pause import stopped

    assert stopped(_journal(), MODEL) is None


def an_alert_lasts() -> None:
    """An ingest has failed, its channel took no message."""
    from almanac.alerts.alert_log import AlertLog
    from almanac.alerts.delivery import deliver
    from almanac.alerts.message import event_message

    journal, now = _journal(), datetime.now(UTC)
    message = event_message(
        "failure",
        severity="critical",
        model=MODEL,
        subject="ingest_weather / ingest failed",
        run=_run("ingest"),
        now=now,
        words="No space left on device",
        what_to_do="Make room.",
    )
    alert = AlertLog(journal).record(message, "failure", "ingest", now)

    def refuse() -> None:
        raise ConnectionError("the pager does not answer")

    deliver(message, "pager", refuse, journal=journal, run=_run("ingest"), now=now)
    know(number=alert.id)


def the_alert_is_taken_on() -> None:
    """By anyone who typed the command."""
    from almanac.alerts.alert_log import AlertLog

    assert AlertLog(_journal()).alert(int(facts()["number"])).acknowledged_by


def the_alert_is_dismissed() -> None:
    """By anyone who typed the command, who said why."""
    from almanac.alerts.alert_log import AlertLog

    alert = AlertLog(_journal()).alert(int(facts()["number"]))
    assert alert.ended_at
    assert (alert.dismissed_by, alert.dismiss_reason) != ("", "")


def a_file_is_rejected_and_told() -> None:
    """As the last task of the ingest tells it."""
    from almanac.alerts.alert_log import AlertLog
    from almanac.health.rejections import rejection_message

    journal, now = _journal(), datetime.now(UTC)
    record = next(one for one in journal.batches(MODEL) if one.batch_id.startswith(facts()["rejected"]))
    message = rejection_message(
        MODEL,
        [{"uri": record.uri, "report_uri": record.report_uri}],
        words=" ".join(record.reasons),
        run=record.run,
        task_id="report_rejections",
        link="",
        now=now,
    )
    know(number=AlertLog(journal).record(message, "rejection", "ingest_weather.report_rejections", now).id)


def a_snapshot_vanishes() -> None:
    """After the last look somebody deletes the manifest of the dataset's newest snapshot in the primary repository."""
    from almanac.backup.snapshot.missing import look
    from almanac.backup.store.catalogue import Catalogue

    place = _places().first
    look(place, _journal(), _run("alerts"))
    (Path(Home().backups) / Catalogue(place).find(facts()["dataset"]).path).unlink()


def the_alarm_about_it_is_over() -> None:
    """A tombstone says why it is gone."""
    from almanac.backup.snapshot.missing import missing_snapshots

    assert missing_snapshots(_places().first, _journal()) == []


def _places() -> Any:
    from almanac.backup.installation import open_repositories
    from almanac.config.files.loader import load_installation

    return open_repositories(Home(), load_installation(Home().models).backup)


def the_files_of_the_version_before_are_lost() -> None:
    """Somebody deletes its MLflow run's folder; MLflow's database still names it."""
    from almanac.registry.store import Registry

    version = Registry.of(Home()).by_alias(MODEL, "previous")
    assert version is not None
    (folder,) = Path(Home().artifacts).glob(f"*/{version.mlflow_run_id}")
    shutil.rmtree(folder)


def version_2_is_champion() -> None:
    """And its graph can be loaded."""
    from almanac.registry.store import Registry

    registry = Registry.of(Home())
    champion = registry.champion(MODEL)
    assert champion is not None
    assert champion.version == "2"
    assert registry.load_onnx(champion)


def a_month_is_deleted_by_a_commit() -> None:
    """January is gone by somebody's DELETE."""
    from deltalake import DeltaTable

    table = DeltaTable(Home().dataset_of(MODEL))
    know(rows=table.count(), before=table.version())
    table.delete("_month = '2024-01'")


def a_month_s_files_are_removed() -> None:
    """January's folder is gone."""
    shutil.rmtree(Path(Home().dataset_of(MODEL)) / "_month=2024-01")


def every_row_is_back() -> None:
    """As many as were published."""
    from almanac.data.table.dataset import DatasetTable

    assert DatasetTable.of(Home(), _model()).read(columns=["Humidity"]).height == 4365


def an_object_is_damaged() -> None:
    """One bit of the dataset's snapshot flips where it lies."""
    from almanac.backup.store.catalogue import Catalogue

    catalogue = Catalogue(_places().first)
    entry = next(one for one in catalogue.read(catalogue.find(facts()["dataset"])).files if one.size > 1000)
    path = Path(Home().backups) / entry.object_name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def everything_can_be_restored() -> None:
    """No snapshot of the primary repository is damaged."""
    from almanac.backup.snapshot.verify import verify
    from almanac.backup.store.catalogue import Catalogue

    place = _places().first
    found = verify(place, Catalogue(place).refs(), level=3, now=datetime.now(UTC))
    assert [finding.text for finding in found.findings if finding.fatal] == []


def most_snapshots_are_forgotten() -> None:
    """Somebody forgot nearly everything ten days ago; the grace period is over."""
    from almanac.backup.store.catalogue import Catalogue

    catalogue = Catalogue(_places().first)
    for ref in catalogue.refs():
        catalogue.add_tombstone(ref, at=datetime.now(UTC) - timedelta(days=10), by="ada", reason="a mistake")


def nothing_forgotten_is_left() -> None:
    """The sweep has deleted it."""
    from almanac.backup.store.catalogue import Catalogue

    assert list(Catalogue(_places().first).refs(forgotten=True)) == []


def the_group_is_there_again() -> None:
    """No tombstone hides it."""
    from almanac.backup.store.catalogue import Catalogue

    assert str(Catalogue(_places().first).newest("group/all")) == facts()["group"]


def bikes_are_drafted_with_quick_candidates() -> None:
    """As its author would for a try: one candidate, short folds."""
    folds = {"folds": 2, "fold": "20d", "min_train_rows": 200}
    candidate = {"estimator": "sklearn.linear_model.Ridge", "scale": True}
    declare("bikes", train={"candidates": {"ridge": candidate}, "backtest": folds})


def bikes_are_taken_and_trained() -> None:
    """What `ingest_bikes` and `train_bikes` do."""
    _land("bikes")
    _train("bikes")


def churn_is_drafted_without_a_time() -> None:
    """The draft has found what identifies a customer; one candidate, as its author would for a try."""
    from almanac.config.files.loader import find_model

    declare(
        "churn", train={"candidates": {"tree": {"estimator": "sklearn.tree.DecisionTreeClassifier", "scale": False}}}
    )
    dataset = find_model(Home().models, "churn").dataset
    assert (dataset.is_arrival, dataset.key, dataset.corrections) == (True, ("customerID",), "replace")


def churn_is_taken_and_trained() -> None:
    """What `ingest_churn` and `train_churn` do."""
    _land("churn")
    _train("churn")


def newcomers_are_judged() -> None:
    """What `ingest_churn` and `score_churn` do: the whole table has predictions, the label known or not."""
    from almanac.config.files.loader import find_model
    from almanac.registry.store import Registry
    from almanac.release.promotion import promote
    from almanac.scoring.score import score_new_windows

    home, journal, now = Home(), _journal(), datetime.now(UTC)
    model, registry = find_model(home.models, "churn"), Registry.of(home)
    promote(registry, model, "1", reason="a try", run=_run("train"), journal=journal, now=now)
    _land("churn")
    done = score_new_windows(model, home, registry, run=_run("score"), now=now)
    assert (done.rows, done.rejected) == (1200, 0), done


def _land(name: str) -> None:
    from almanac.config.files.loader import find_model
    from almanac.data.ingest.ingest import ingest_batches
    from almanac.storage.listing import list_files

    home, now = Home(), datetime.now(UTC)
    model = find_model(home.models, name)
    files = list_files(home.landing_of(name), model.source.patterns)
    assert ingest_batches(model, home, _journal(), files, _run("ingest"), clock=lambda: now).rejected == ()


def _train(name: str) -> None:
    from almanac.config.files.loader import find_model
    from almanac.registry.records import PASSED, Tag
    from almanac.registry.store import Registry
    from almanac.release.promotion import register
    from almanac.training.training_run import train

    home, journal, now = Home(), _journal(), datetime.now(UTC)
    model, registry = find_model(home.models, name), Registry.of(home)
    logged = train(
        model,
        home,
        registry,
        reason="first",
        run=_run("train"),
        now=now,
        candidates=None,
        overrides=None,
        on_progress=print,
    )
    registry.client.set_tag(logged, Tag.GATES.value, PASSED)
    register(registry, name, logged, run=_run("train"), journal=journal, now=now)


def the_machine_burns() -> None:
    """The home and the first backup repository are gone; the key and the secrets were put into a safe before."""
    from almanac.backup.store.keys import find_or_make_keys

    know(key=find_or_make_keys(Home())[0].text)
    shutil.copytree(Home().home / "secrets", "safe")
    shutil.rmtree(Home().home)


def the_secrets_are_put_back() -> None:
    """From the safe; not the key, which the variable gives."""
    shutil.copytree("safe", Home().home / "secrets", ignore=shutil.ignore_patterns("backup.key"))


def the_machine_burns_with_its_safe() -> None:
    """Nothing but the key and the secondary repository is left."""
    from almanac.services.services import Services

    Services(Home()).down()
    the_machine_burns()
    shutil.rmtree("safe")


def data_versions_and_databases_are_back() -> None:
    """In the new home; MLflow's database is sound."""
    import sqlite3

    from almanac.data.table.dataset import DatasetTable

    home = Home()
    assert DatasetTable.of(home, _model()).read(columns=["Humidity"]).height >= 4365
    with closing(sqlite3.connect(home.home / "mlflow.db")) as connection:
        assert connection.execute("SELECT count(*) FROM model_versions").fetchone()[0] >= 4
    assert {record.uri.rsplit("/", 1)[1] for record in _journal().batches(MODEL)} >= {
        "weather_2024-02.csv",
        "percent.csv",
    }
    assert list(Path(home.artifacts).rglob("model.onnx"))


def events_and_windows_are_declared() -> None:
    """What docs/triggers.md declares; one quick task pool."""
    tides = {"station": {"type": "string", "values": ["hamina", "turku"]}, "height_m": {"type": "number", "max": 3}}
    daily = {"kind": "window", "size": "1d", "start": "2024-02-10T00:00:00Z", "catch_up": False}
    declare(triggers={"tides": {"kind": "event", "payload": tides}, "daily": daily})
    declare(pipelines={"score": {"when": "daily"}, "ingest": {"when": "arrival or schedule or tides"}})


def some_csv_is_published() -> None:
    """The watcher finds it by itself; March has 744 hours."""
    _wait("some.csv in the dataset", lambda: _rows() == 4365 + 744)


def the_services_are_stopped() -> None:
    """The page begins with nothing running."""
    from almanac.services.services import Services

    assert Services(Home()).down()


def the_services_are_killed() -> None:
    """As a power cut does it; here they are down already."""
    from almanac.services.services import Services

    assert not Services(Home()).status()


def a_training_has_judged() -> None:
    """`train_weather` has run to `judge`, which may say no."""

    def judged() -> bool:
        with _airflow() as airflow:
            runs = [run for run in airflow.runs(f"train_{MODEL}") if run.run_type == "manual"]
            states = [
                task.state for run in runs for task in airflow.tasks(run.dag_id, run.run_id) if task.task_id == "judge"
            ]
        return "success" in states

    _wait("a judged training", judged)


def two_windows_are_closed() -> None:
    """The backfill has closed both days."""

    def closed() -> bool:
        return {f"{one.window_start:%d}" for one in _journal().windows(MODEL)} >= {"10", "11"}

    _wait("the windows of the backfill", closed)


def the_event_was_let_in() -> None:
    """The journal says so."""
    from almanac.journal.records import DecisionKind

    _wait(
        "the event in the journal", lambda: any(one.accepted for one in _journal().decisions(MODEL, DecisionKind.EVENT))
    )


def _airflow() -> Any:
    from almanac.services.services import Services

    return Services(Home()).airflow()


def _wait(what: str, until: Callable[[], bool], timeout_s: float = 600.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what}"
        time.sleep(1)


def everything_is_backed_up_twice() -> None:
    """The nightly run, while the services are up."""
    for words in (["backup"], ["replicate"]):
        done = subprocess.run(["./almanac", *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def _page_says(batch: str, command: str) -> None:
    (page,) = Path(Home().reports_of(MODEL)).glob(f"{batch}*.html")
    text = html.unescape(page.read_text("utf-8"))
    assert command in text, command


def the_page_of_the_batch_names_what_was_run() -> None:
    """Word for word."""
    _page_says(facts()["batch"], './almanac quarantine readmit weather --file repair.csv --reason "..."')


def the_page_of_the_file_names_what_was_run() -> None:
    """Word for word."""
    rejected = facts()["rejected"]
    _page_says(rejected, f'./almanac quarantine readmit weather {rejected} --whole --reason "..."')


def the_journal_has_three_snapshots() -> None:
    """More than the policy of one day keeps; the newest is what somebody wants to forget."""
    from almanac.backup.store.catalogue import Catalogue
    from almanac.backup.tasks.run_backup import run_backup

    for _ in range(3):
        run_backup(Home(), ["database/journal"], run=_run("backup"))
    know(journal=Catalogue(_places().first).refs("database/journal")[-2])


def only_backups_and_secrets_survive() -> None:
    """The rest of the home is lost."""
    for path in Home().home.iterdir():
        if path.name not in ("backups", "secrets"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def a_member_is_damaged_and_only_backups_and_secrets_survive() -> None:
    """One bit of the dataset's snapshot flips, too."""
    an_object_is_damaged()
    only_backups_and_secrets_survive()


def the_dataset_is_deleted() -> None:
    """All of it."""
    shutil.rmtree(Home().dataset_of(MODEL))


def the_database_of_logins_is_damaged() -> None:
    """Somebody has written over it."""
    (Home().home / "mlflow_auth.db").write_bytes(b"no database" * 1000)


def the_machine_is_lost_in_one_process() -> None:
    """The disaster drill, all but the start of services: in their place a thread ingests, trains and scores.

    What it says is printed; the commands are processes of their own, as in any drill.
    """
    from unittest.mock import patch

    from almanac.drills.disaster import Disaster
    from almanac.drills.scratch_machine import ScratchMachine
    from tests.docs.one_process import services

    with patch.object(ScratchMachine, "services", services):
        result = Disaster(_places().second, Home(), timedelta(minutes=20), report=print).run()
    assert result.passed, result.said
    assert result.level == 6
    steps = ("(RPO)", "(RTO)", "48 rows published", "trained and judged", "scored: weather/", "traced: weather/")
    text = "\n".join(result.said)
    assert [words for words in steps if words not in text] == []
    assert list((Home().scratch / "drills").iterdir()) == []
