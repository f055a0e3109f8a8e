"""One bad thing never stops the others: foreign versions, lost parts, typos in YAMLs, models whose YAML is gone."""

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.backup.report import make_report
from almanac.backup.restore.compare import compare
from almanac.backup.retention.protected import (
    last_declared,
    last_installation,
    note_declared,
    protected_models,
    retire,
    take_back,
)
from almanac.backup.snapshot import backup as backup_module
from almanac.backup.snapshot import file_checks
from almanac.backup.snapshot.missing import look
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest
from almanac.backup.tasks.run_backup import raise_reported_problems, repositories_of, run_backup
from almanac.backup.tasks.run_retention import make_plan, run_forget, run_sweep
from almanac.backup.tasks.run_tiers import make_tier_plan
from almanac.cleanup.cleanup import CleanupRun
from almanac.cleanup.expire import Expiry
from almanac.config.files.loader import load_installation
from almanac.config.home import MODELS_FOLDER, Home
from almanac.data.table.maintenance import needed_versions, vacuum
from almanac.errors import ConfigError, DataError, IntegrityError, RegistryError, TransientError
from almanac.journal.declarations import Declarations
from almanac.journal.file_checks import FileChecks
from almanac.journal.journal import Journal
from almanac.journal.records import DecisionKind
from almanac.registry.store import Registry
from almanac.reporting.templates import render
from almanac.services.protection_checks import foreign_rows, undeclared_rows
from tests.backup.world import MODEL, RUN, World

NOW = datetime.now(UTC)
PARTS = {f"model/{MODEL}", f"dataset/{MODEL}", f"outputs/{MODEL}", "database/mlflow", "database/journal"}


@pytest.fixture
def home(world: World, tmp_path: Path) -> Home:
    """The world, with declarations, a backup repository and a journal of its own."""
    shutil.copytree(MODELS_FOLDER, tmp_path / "models")
    home = world.home.model_copy(
        update={
            "home": tmp_path / "home",
            "models": tmp_path / "models",
            "backups": str(tmp_path / "backups"),
            "journal_url": f"sqlite:///{tmp_path}/journal.db",
        }
    )
    Journal(home.journal_url)
    note_declared(home, Journal(home.journal_url), run=RUN, now=NOW)
    return home


@pytest.fixture
def journal(home: Home) -> Journal:
    return Journal(home.journal_url)


def group(home: Home) -> Manifest:
    catalogue = Catalogue(repositories_of(home, "").first)
    newest = catalogue.newest("group/all")
    assert newest is not None
    return catalogue.read(newest)


def members(home: Home) -> set[str]:
    return {one.subject for one in group(home).members}


def faults(rows) -> str:
    return "\n".join(row["fault"] for row in rows if "fault" in row)


# --- versions that Almanac has not made


@pytest.fixture
def foreign(world: World) -> Iterator[str]:
    """A version of the model that somebody else has registered: without a run, without a tag of ours."""
    client = world.registry.client
    number = str(client.create_model_version(MODEL, "file:///elsewhere/model", tags={"team": "others"}).version)
    yield number
    client.delete_model_version(MODEL, number)


@pytest.mark.parametrize(
    ("subjects", "taken"),
    [
        ((), PARTS | {"group/all"}),
        ((f"model/{MODEL}",), {f"model/{MODEL}"}),
        ((f"dataset/{MODEL}",), {f"dataset/{MODEL}"}),
    ],
    ids=["everything", "model", "dataset"],
)
def test_backup_with_a_foreign_version_lists_it_and_does_the_rest(
    home: Home, foreign: str, subjects: tuple[str, ...], taken: set[str]
) -> None:
    rows = run_backup(home, subjects, run=RUN)
    raise_reported_problems(rows)
    assert set(Catalogue(repositories_of(home, "").first).subjects()) >= taken
    if subjects != (f"dataset/{MODEL}",):
        assert [row["note"].partition(": it was registered")[0] for row in rows if "note" in row] == [
            f"{MODEL}@{foreign}: foreign"
        ]


def test_pins_vacuum_and_compare_with_a_foreign_version_go_on(home: Home, world: World, foreign: str) -> None:
    run_backup(home, (), run=RUN)
    plan = make_plan(home, repositories_of(home, "").first, now=NOW)
    needs = [need for one in plan.choices for need in one.needs]
    assert any(need.startswith(f"what {MODEL}@1 (previous) was trained on") for need in needs)
    assert set(needed_versions(world.model, world.registry, newest=3)) == {1, 2, 3}
    (text,) = [one for one in compare(world.home, world.registry, [MODEL]) if "foreign" in one.text]
    assert not text.lost
    assert f"{MODEL}@{foreign}" in text.text


@pytest.mark.parametrize(
    "tags", [{"almanac.owner": "a"}, {"almanac.dataset.version": "newest"}], ids=["lost", "changed"]
)
def test_version_of_ours_that_does_not_say_what_it_needs_stops_deleting_and_no_backup(
    home: Home, world: World, tags: dict[str, str]
) -> None:
    client = world.registry.client
    number = str(client.create_model_version(MODEL, "file:///elsewhere/model", tags=tags).version)
    try:
        rows = run_backup(home, (), run=RUN)
        assert members(home) == PARTS
        assert f"model/{MODEL}@{number}" in faults(rows)
        with pytest.raises(RegistryError, match=r"tag almanac\.dataset\.version"):
            make_plan(home, repositories_of(home, "").first, now=NOW)
        with pytest.raises(RegistryError, match=r"tag almanac\.dataset\.version"):
            needed_versions(world.model, world.registry, newest=3)
    finally:
        client.delete_model_version(MODEL, number)


# --- parts that cannot be taken


def raises(error: Exception) -> Callable[..., object]:
    def fail(*_asked: object, **_named: object) -> object:
        raise error

    return fail


LOST = {
    "dataset": ("dataset_draft", DataError("files are gone"), {f"dataset/{MODEL}"}),
    "a fault of the code": ("dataset_draft", ValueError("nobody foresaw it"), {f"dataset/{MODEL}"}),
    "outputs": ("outputs_draft", IntegrityError("damaged"), {f"outputs/{MODEL}"}),
    "each version": ("model_draft", IntegrityError("damaged"), {f"model/{MODEL}"}),
    "each database": ("sqlite_draft", IntegrityError("damaged"), {"database/mlflow", "database/journal"}),
}


@pytest.mark.parametrize(("part", "error", "lost"), LOST.values(), ids=LOST)
def test_backup_of_everything_without_a_part_takes_and_ties_the_rest(
    home: Home, monkeypatch: pytest.MonkeyPatch, part: str, error: Exception, lost: set[str]
) -> None:
    monkeypatch.setattr(backup_module, part, raises(error))
    rows = run_backup(home, (), run=RUN)
    assert members(home) == PARTS - lost
    assert {str(one).partition("@")[0] for one in group(home).facts["missing"]} == lost
    with pytest.raises(IntegrityError, match=f"everything else was backed up, but(.|\n)*{error}"):
        raise_reported_problems(rows)


@pytest.mark.parametrize("method", ["aliases", "registered"])
def test_backup_of_everything_without_mlflow_takes_the_rest_and_is_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(Registry, method, raises(TransientError("MLflow is away")))
    with pytest.raises(TransientError, match="MLflow is away"):
        run_backup(home, (), run=RUN)
    assert {"database/mlflow", "database/journal", f"outputs/{MODEL}"} <= members(home)
    assert f"model/{MODEL}" not in members(home)


def test_backup_of_several_subjects_takes_those_behind_a_bad_one(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_module, "dataset_draft", raises(DataError("files are gone")))
    with pytest.raises(DataError, match="files are gone"):
        run_backup(home, [f"dataset/{MODEL}", f"outputs/{MODEL}"], run=RUN)
    assert Catalogue(repositories_of(home, "").first).subjects() == (f"outputs/{MODEL}",)


# --- a typo in any YAML

TYPOS = {
    "the model's": (f"{MODEL}.yaml", "titel: a typo\n", f"{MODEL}.yaml"),
    "no YAML at all": (f"{MODEL}.yaml", "{ : [", f"{MODEL}.yaml"),
    "another model's": ("tides.yaml", "title: only\n", "tides.yaml"),
    "the defaults": ("_defaults.yaml", "onwer: a typo\n", f"{MODEL}.yaml"),  # told of each model that it breaks
    "the installation's": ("_installation.yaml", "onwer: a typo\n", "_installation.yaml"),
}
OF_EACH_KIND = ("another model's", "the installation's")


@pytest.fixture
def typo(request: pytest.FixtureRequest, home: Home) -> str:
    """A typo in one of the files; gives the name of the file that is told."""
    name, text, sent = TYPOS[request.param]
    (home.models / name).write_text(text)
    return sent


@pytest.mark.parametrize("typo", TYPOS, indirect=True)
def test_typo_the_nightly_backup_takes_everything_and_reports_it(home: Home, typo: str) -> None:
    rows = run_backup(home, (), run=RUN)
    assert members(home) == PARTS
    with pytest.raises(IntegrityError, match=f"{typo}(.|\n)*Nothing is deleted until this is corrected"):
        raise_reported_problems(rows)


def _cleanup(home: Home, world: World) -> None:
    installation = load_installation(MODELS_FOLDER)
    made = CleanupRun(
        home,
        installation,
        [world.model],
        Journal(home.journal_url),
        lambda: world.registry,
        repositories_of(home, ""),
        now=NOW + timedelta(days=4000),
    )
    report = made.execute(run=RUN, approved=True)
    assert report.parts
    assert all("while a model's YAML is invalid" in part.fault for part in report.parts)
    raise ConfigError(report.faults[0])


DELETING = {
    "forget": lambda home, _: run_forget(home, given_key="", now=NOW, by="ada", dry_run=False),
    "sweep": lambda home, _: run_sweep(home, given_key="", now=NOW, dry_run=False, approved=True),
    "tiers": lambda home, _: make_tier_plan(
        home, repositories_of(home, "").first, load_installation(MODELS_FOLDER).backup.tiers, now=NOW
    ),
    "vacuum": lambda home, world: vacuum(world.model, home, world.registry, keep_for=timedelta()),
    "expire": lambda home, world: Expiry(
        world.model, home, Journal(home.journal_url), repositories_of(home, "").first, now=NOW
    ).execute(run=RUN),
    "cleanup": _cleanup,
}


@pytest.mark.parametrize("typo", OF_EACH_KIND, indirect=True)
@pytest.mark.parametrize("delete", DELETING.values(), ids=DELETING)
def test_typo_nothing_is_deleted(home: Home, world: World, typo: str, delete) -> None:
    with pytest.raises(ConfigError, match=f"nothing is .* while a model's YAML is invalid: (.|\n)*{typo}"):
        delete(home, world)


def test_typo_the_settings_that_could_be_read_last_hold(home: Home, journal: Journal) -> None:
    path = home.models / "_installation.yaml"
    path.write_text("backup: {encrypt: true, max_age: 3d}\n")
    note_declared(home, journal, run=RUN, now=NOW)
    path.write_text("backup: {encript: true}\n")
    note_declared(home, journal, run=RUN, now=NOW)
    settings, problem = last_installation(home)
    assert (settings.backup.encrypt, settings.backup.max_age) == (True, timedelta(days=3))
    assert "encript" in problem
    assert repositories_of(home, "").first.encrypt


def test_typo_a_model_is_taken_as_it_was_declared_last(home: Home, journal: Journal) -> None:
    path = home.models / f"{MODEL}.yaml"
    path.write_text(f"{path.read_text()}\nbackup: {{landing: true}}\n")
    note_declared(home, journal, run=RUN, now=NOW)
    path.write_text("titel: a typo\n")
    declared = last_declared(home, MODEL)
    assert declared is not None
    assert declared.backup.landing
    assert last_declared(home, "nobody") is None


def test_note_declared_writes_only_what_has_changed(home: Home, journal: Journal) -> None:
    written: list[str] = []

    class Counted(Declarations):
        def record(self, name: str, content, now: datetime) -> None:
            before = self.find(name)
            super().record(name, content, now)
            written.extend([name] if self.find(name) != before else [])

    for _ in range(2):
        Counted(journal).record(MODEL, {"title": "new"}, NOW)
    assert written == [MODEL]


# --- models whose YAML is gone


@pytest.fixture
def gone(home: Home) -> Home:
    """The model was backed up, and then its YAML went."""
    run_backup(home, (), run=RUN)
    look(repositories_of(home, "").first, Journal(home.journal_url), RUN)  # as the round of alerts does
    (home.models / f"{MODEL}.yaml").unlink()
    return home


def pins(home: Home) -> list[str]:
    plan = make_plan(home, repositories_of(home, "").first, now=NOW)
    return sorted(need for one in plan.choices for need in one.needs if MODEL in need)


def test_model_without_a_declaration_stays_in_the_nightly_group_and_keeps_its_pins(gone: Home) -> None:
    before = pins(gone)
    rows = run_backup(gone, (), run=RUN)
    raise_reported_problems(rows)
    assert members(gone) == PARTS
    assert before == pins(gone)
    assert f"the newest of registered {MODEL}@2 (champion)" in before
    assert protected_models(gone).undeclared == (MODEL,)


def test_model_without_a_declaration_keeps_the_policy_that_was_declared(home: Home, journal: Journal) -> None:
    path = home.models / f"{MODEL}.yaml"
    path.write_text(f"{path.read_text()}\nbackup: {{keep: {{outputs: {{last: 9, min_keep: 1}}}}}}\n")
    note_declared(home, journal, run=RUN, now=NOW)
    run_backup(home, [f"outputs/{MODEL}"], run=RUN)
    path.unlink()
    plan = make_plan(home, repositories_of(home, "").first, now=NOW)
    (choice,) = plan.choices
    assert "last 9" in choice.rules


def test_retired_model_leaves_group_and_pins_and_says_by_whom(gone: Home, journal: Journal) -> None:
    retire(gone, journal, MODEL, reason="the port has closed", run=RUN, now=NOW)
    run_backup(gone, (), run=RUN)
    assert members(gone) == {"database/mlflow", "database/journal"}
    assert not any("registered" in need for need in pins(gone))
    assert protected_models(gone).undeclared == ()
    (decision,) = journal.decisions(MODEL, DecisionKind.RETIREMENT)
    assert (decision.accepted, decision.run.started_by, decision.reasons) == (True, "ada", ("the port has closed",))


def test_retired_model_that_is_taken_back_is_protected_again(gone: Home, journal: Journal) -> None:
    retire(gone, journal, MODEL, reason="the port has closed", run=RUN, now=NOW)
    take_back(journal, MODEL, reason="it has not", run=RUN, now=NOW)
    assert protected_models(gone).undeclared == (MODEL,)


def test_retired_model_whose_yaml_comes_back_and_goes_again_is_protected_again(gone: Home, journal: Journal) -> None:
    retire(gone, journal, MODEL, reason="the port has closed", run=RUN, now=NOW)
    shutil.copy(MODELS_FOLDER / f"{MODEL}.yaml", gone.models)
    assert MODEL in protected_models(gone).models
    note_declared(gone, journal, run=RUN, now=NOW)
    (gone.models / f"{MODEL}.yaml").unlink()
    assert protected_models(gone).undeclared == (MODEL,)
    assert journal.decisions(MODEL, DecisionKind.RETIREMENT)[0].reasons == ("its declaration is back",)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (MODEL, f"{MODEL}: is declared(.|\n)*Remove it first"),
        ("nobody", "nobody: no such model(.|\n)*still protected, are: none"),
    ],
)
def test_retire_refuses_what_is_declared_or_unknown(home: Home, journal: Journal, model: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        retire(home, journal, model, reason="why", run=RUN, now=NOW)
    assert journal.decisions(model, DecisionKind.RETIREMENT) == []


def test_retire_twice_and_take_back_twice_are_refused(gone: Home, journal: Journal) -> None:
    retire(gone, journal, MODEL, reason="why", run=RUN, now=NOW)
    with pytest.raises(ConfigError, match="is retired already"):
        retire(gone, journal, MODEL, reason="why", run=RUN, now=NOW)
    take_back(journal, MODEL, reason="why not", run=RUN, now=NOW)
    with pytest.raises(ConfigError, match="is not retired; retired are: none"):
        take_back(journal, MODEL, reason="why not", run=RUN, now=NOW)


def test_protected_models_without_a_journal_are_all_that_left_a_trace(gone: Home, journal: Journal) -> None:
    retire(gone, journal, MODEL, reason="the port has closed", run=RUN, now=NOW)
    (gone.home.parent / "file").write_text("where a folder is wanted")
    lost = gone.model_copy(update={"journal_url": f"sqlite:///{gone.home.parent}/file/journal.db"})
    assert protected_models(lost, Catalogue(repositories_of(gone, "").first).subjects()).undeclared == (MODEL,)


def test_protected_models_of_a_lost_folder_of_declarations_are_all(gone: Home) -> None:
    shutil.rmtree(gone.models)
    assert protected_models(gone).models == (MODEL,)
    run_backup(gone, (), run=RUN)
    assert members(gone) == PARTS


def test_model_that_was_declared_and_has_no_data_is_nothing_to_protect(home: Home, journal: Journal) -> None:
    shutil.copy(home.models / f"{MODEL}.yaml", home.models / "tides.yaml")
    note_declared(home, journal, run=RUN, now=NOW)
    (home.models / "tides.yaml").unlink()
    assert protected_models(home).undeclared == ()


# --- where people are told


def test_doctor_names_undeclared_models_and_foreign_versions(gone: Home, world: World, foreign: str) -> None:
    assert [row[:3] for row in undeclared_rows(gone)] == [(f"model {MODEL}", "warn", "no declaration, still protected")]
    ((name, state, seen, todo),) = foreign_rows(gone)
    assert (name, state) == (f"version {MODEL}@{foreign}", "warn")
    assert "something other than Almanac" in seen
    assert todo.startswith("Delete it in MLflow")


def test_doctor_says_when_foreign_versions_cannot_be_asked_for(home: Home, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 100)
    broken = home.model_copy(update={"mlflow_database_url": f"sqlite:///{tmp_path}/mlflow.db"})
    ((name, state, seen, _),) = foreign_rows(broken)
    assert (name, state) == ("foreign versions", "warn")
    assert "cannot be queried" in seen


def test_page_of_backups_says_that_an_undeclared_model_is_still_protected(gone: Home, journal: Journal) -> None:
    report = make_report(
        repositories_of(gone, ""), journal, last_installation(gone)[0].backup, protected_models(gone), now=NOW
    )
    page = render("pages/backups.html.j2", report=report)
    assert f"<strong>{MODEL}</strong>: no declaration, still protected" in page
    assert f"./almanac retire {MODEL} --reason" in page


def test_page_of_backups_names_a_typo(home: Home, journal: Journal) -> None:
    (home.models / f"{MODEL}.yaml").write_text("titel: a typo\n")
    settings, found = last_installation(home)[0].backup, protected_models(home)
    report = make_report(repositories_of(home, ""), journal, settings, found, now=NOW)
    assert any(f"{MODEL}.yaml" in problem and "Nothing is deleted" in problem for problem in report.problems)


def test_nightly_check_of_files_goes_on_behind_a_model_that_cannot_be_checked(
    home: Home, world: World, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_backup(home, (), run=RUN)
    tides = world.model.model_copy(update={"name": "tides"})
    marks = file_checks.raise_marks

    def damaged(home: Home, repository, model: str, *rest: object):
        if model == "tides":
            raise IntegrityError("the manifest of tides is damaged")
        return marks(home, repository, model, *rest)

    monkeypatch.setattr(file_checks, "raise_marks", damaged)
    with pytest.raises(IntegrityError, match="the manifest of tides is damaged"):
        file_checks.run_check(home, repositories_of(home, "").first, [tides, world.model], world.registry, now=NOW)
    assert FileChecks(journal).all(f"dataset/{MODEL}")
