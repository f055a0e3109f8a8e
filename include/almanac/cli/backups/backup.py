"""Takes, proves and ends snapshots, without a running Airflow: `backup drill forget sweep tiers replicate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.backups.places import open_installation, record_in_journal, run_of, user
from almanac.reporting.templates import size

if TYPE_CHECKING:
    from almanac.backup.store.manifest import Maker

PANEL = "Backups"
Second = Annotated[bool, typer.Option("--second", help="Use the secondary repository (ALMANAC_SECOND_BACKUPS).")]
Reason = Annotated[str, typer.Option(help="Why. Recorded with it.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    for command in (backup, drill, forget, sweep, tiers, replicate):
        app.command(rich_help_panel=PANEL)(command)
    app.command("backup-key", rich_help_panel=PANEL)(backup_key)


def backup(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUBJECT]...", help="KIND/NAME: model dataset outputs checkpoints database. None: all."
        ),
    ] = None,
    version: Annotated[str, typer.Option(help="For a model: only this version.")] = "",
    reason: Reason = "by hand",
    reread: Annotated[
        bool, typer.Option("--reread", help="Read every file, including those that look unchanged.")
    ] = False,
) -> None:
    """Take snapshots: of everything as one group, or of the given subjects.

    Examples: `almanac backup`, `almanac backup dataset/weather database/mlflow --reason "before the upgrade"`.
    """
    from datetime import UTC, datetime

    from almanac.backup.retention.protected import note_declared, protected_models
    from almanac.backup.snapshot.backup import BackupRun
    from almanac.backup.snapshot.journal_rows import record_taken
    from almanac.backup.store.catalogue import Catalogue
    from almanac.services.registry_access import open_registry_to_read

    home, _, places = open_installation()
    run = BackupRun(home, places.first, _maker(reason), open_registry_to_read(home), reread=reread)
    by, problems = run_of("backup"), tuple[str, ...]()
    if subjects:
        taken = run.subjects(subjects, version=version)
    else:
        found = protected_models(home, Catalogue(places.first).subjects())
        taken, problems = [run.everything(found.models)], found.problems
    for one in taken:
        cost = f"{one.files_read} files read, {size(one.bytes_read)}; {size(one.bytes_stored)} new"
        members = f"; {len(one.manifest.members)} snapshots" if one.manifest.members else ""
        print(f"{one.ref}  {cost}{members}" if one.written else f"{one.ref}  unchanged, already there")
    record_in_journal(home, lambda journal: record_taken(journal, places.first.uri, taken, by))
    record_in_journal(home, lambda journal: note_declared(home, journal, run=by, now=datetime.now(UTC)))
    print("".join(f"left out  {note}\n" for note in run.notes), end="")
    if problems:
        print(
            "\n".join(["A declaration cannot be read. The existing data were backed up as last declared:", *problems])
        )
    run.check()
    if problems:
        raise typer.Exit(1)


def drill(
    subjects: Annotated[list[str] | None, typer.Argument(help="For example dataset/weather. None: all.")] = None,
    second: Second = False,
    trust: Annotated[bool, typer.Option("--trust", help="Load formats that can run code, too.")] = False,
    disaster: Annotated[
        bool,
        typer.Option(
            "--disaster", help="Rehearse the loss of the machine: restore everything, start it, run the pipelines."
        ),
    ] = False,
) -> None:
    """Restore the newest and one random older snapshot of each subject into a scratch folder, and use them.

    A damaged copy must be refused, too. Exit code 1 on any failure. The results are recorded in the repository.
    With --disaster an empty home becomes an installation from the repository and the key alone: its services start on
    free ports, ingest a file, train, score and trace, and are stopped. It takes minutes.
    """
    from almanac.backup.drill.drill import in_words
    from almanac.backup.snapshot.journal_rows import record_drills
    from almanac.drills.run_drill import run_disaster_drill, run_drill

    if disaster and (subjects or trust):
        raise typer.BadParameter("--disaster restores everything; it can be combined with --second only")
    home, settings, places = open_installation()
    repository = places.named(second)
    if disaster:
        results = [run_disaster_drill(home, repository, settings.drills, report=print)]
        print(in_words(results[0]))
    else:
        results = run_drill(home, repository, subjects or (), report=print, trust=trust)
    record_in_journal(home, lambda journal: record_drills(journal, results, run_of("drill")))
    if not results or not all(result.passed for result in results):
        print("The drill has failed." if results else "There is no snapshot to restore.")
        raise typer.Exit(1)


def forget(
    what: Annotated[
        str, typer.Argument(metavar="[SNAPSHOT]", help="Only this snapshot. None: what the policy selects.")
    ] = "",
    apply: Annotated[bool, typer.Option("--apply", help="Apply the changes. Without it: only show them.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Undo: a forgotten snapshot is kept again, until it is swept.")
    ] = False,
    hold: Annotated[bool, typer.Option("--hold", help="Legal hold: keep this one regardless of the policy.")] = False,
    release: Annotated[bool, typer.Option("--release", help="End a legal hold.")] = False,
    lost: Annotated[
        bool, typer.Option("--lost", help="It is missing, and lost for good: close the alert about it.")
    ] = False,
    reason: Reason = "by hand",
    second: Second = False,
) -> None:
    """Show which snapshots the policy would forget and why the others stay; with --apply, forget them.

    Nothing is deleted: `almanac sweep` does that after the grace period.
    """
    from almanac.cli.backups.retention import forget_by_policy, forget_lost, forget_named, keep_named

    home, settings, places = open_installation()
    repository = places.named(second)
    if not what:
        forget_by_policy(home, settings, repository, apply=apply, reason=reason, by=user())
    elif lost:
        forget_lost(home, repository, what, reason=reason, by=user())
    elif undo or hold or release:
        keep_named(repository, what, undo=undo, hold=hold, reason=reason, by=user())
    else:
        forget_named(home, repository, what, apply=apply, reason=reason, by=user())


def sweep(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Delete more than retention.max_deleted_share.")] = False,
    second: Second = False,
) -> None:
    """Delete what was forgotten before the grace period, and what interrupted backups left."""
    from almanac.cli.backups.retention import sweep_repository

    home, settings, places = open_installation()
    sweep_repository(home, places.named(second), settings, dry_run=dry_run, approve=approve)


def tiers(
    apply: Annotated[bool, typer.Option("--apply", help="Apply the changes. Without it: only show them.")] = False,
    second: Second = False,
) -> None:
    """Show content and cost of the tiers, and what would be moved; with --apply, move it.

    Ages and prices: `backup.tiers` of include/models/_installation.yaml.
    """
    from datetime import UTC, datetime

    from almanac.backup.tasks.run_tiers import make_tier_plan
    from almanac.backup.tiers.plan import in_words, move

    home, settings, places = open_installation()
    repository = places.named(second)
    plan = make_tier_plan(home, repository, settings.tiers, now=datetime.now(UTC))
    print("\n".join(in_words(plan, settings.tiers)))
    if not apply:
        print("To move them: almanac tiers --apply")
        return
    done = move(repository, plan, settings.tiers)
    print(f"{done.objects} objects ({size(done.size_bytes)}) are moved; {done.asked} come from the archive first")


def replicate(
    back: Annotated[
        bool,
        typer.Option(
            "--back", help="Copy from the secondary repository to the primary one, which is new or lost some."
        ),
    ] = False,
) -> None:
    """Copy missing snapshots to the secondary repository; exit code 1 when one could not be copied."""
    from almanac.backup.snapshot.replicate import replicate as copy

    _, _, places = open_installation()
    ways = (places.named(True), places.first) if back else (places.first, places.named(True))
    done = copy(*ways)
    print("".join(f"FAILED  {line}\n" for line in done.failed), end="")
    behind = "first" if back else "second"
    print(f"{len(done.snapshots)} snapshots, {size(done.bytes)} sent; the {behind} repository was {done.lag} behind")
    if done.failed:
        raise typer.Exit(1)


def backup_key() -> None:
    """Print the key that signs and decrypts backups. Keep a copy apart from the backups: in a safe, in a vault."""
    from almanac.backup.store.keys import find_or_make_keys
    from almanac.config.home import Home

    print(find_or_make_keys(Home())[0].text)


def _maker(reason: str) -> "Maker":
    from almanac.backup.store.manifest import Maker

    run = run_of("backup")
    return Maker(dag_id=run.dag_id, run_id=run.run_id, started_by=run.started_by, reason=reason)
