"""`list show verify restore backup-report`: looks at snapshots and brings them back, without a running Airflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.backups.backup import PANEL, Second
from almanac.cli.backups.places import open_installation, open_reader, record_in_journal, run_of, user
from almanac.cli.terminal import AsJson, print_json
from almanac.reporting.templates import size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from almanac.backup.restore.compare import Difference
    from almanac.backup.restore.to_folder import Restores
    from almanac.backup.store.manifest import Fact, Ref
    from almanac.backup.store.repository import BackupRepository
    from almanac.config.home import Home
    from almanac.config.sections.retention.tiers import Tiers

COME_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: not now, and it belongs to no model fault
DIFFERS = 3  # all of it is back, and journal, registry and data do not know the same
_Unsigned = Annotated[
    bool, typer.Option("--unsigned", help="The key is lost: check hashes, but not the signatures of manifests.")
]
_What = Annotated[
    str, typer.Argument(metavar="SNAPSHOT", help="dataset/weather (its newest), dataset/weather@20260131, or a hash.")
]
_Subject = Annotated[str, typer.Argument(help="For example dataset/weather. None: all.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command("list", rich_help_panel=PANEL)(list_snapshots)
    app.command("backup-report", rich_help_panel=PANEL)(backup_report)
    for command in (show, verify, restore):
        app.command(rich_help_panel=PANEL)(command)


def list_snapshots(
    subject: _Subject = "",
    second: Second = False,
    everything: Annotated[bool, typer.Option("--all", help="Include forgotten ones.")] = False,
    as_json: AsJson = False,
) -> None:
    """List snapshots, the oldest first, with what they hold."""
    from almanac.backup.store.catalogue import Catalogue
    from almanac.errors import IntegrityError

    catalogue = Catalogue(open_reader(second))
    dead = {tombstone.ref: tombstone for tombstone in catalogue.tombstones()} if everything else {}
    found: list[dict[str, object]] = []
    for ref in catalogue.refs(subject, forgotten=everything):
        row: dict[str, object] = {"snapshot": str(ref)}
        try:
            manifest = catalogue.read(ref)
            row |= {"files": len(manifest.files), "bytes": manifest.size, "facts": dict(manifest.facts)}
            words = f"{len(manifest.files):>6} files  {size(manifest.size):>10}  {_facts(manifest.facts)}"
        except IntegrityError as error:
            row["damaged"], words = str(error), f"DAMAGED: {error}"
        if ref in dead:
            row["forgotten"] = {"at": dead[ref].forgotten_at, "reason": dead[ref].reason}
            words += f"  forgotten {dead[ref].forgotten_at:%Y-%m-%d}: {dead[ref].reason}"
        found.append(row)
        if not as_json:
            print(f"{ref}  {words}")
    if as_json:
        print_json(found)


def show(
    what: _What,
    second: Second = False,
    files: Annotated[bool, typer.Option("--files")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a snapshot holds, who took it and why, and its drills."""
    import json

    from almanac.backup.drill.drill import in_words
    from almanac.backup.drill.drills import results
    from almanac.backup.store.catalogue import Catalogue

    place = open_reader(second)
    catalogue = Catalogue(place)
    ref = catalogue.find(what)
    manifest = catalogue.read(ref)
    if as_json:
        drills = [one for one in results(place) if one.ref == ref]
        print_json({"snapshot": str(ref), "manifest": manifest, "stored_bytes": manifest.stored_size, "drills": drills})
        return
    print(f"{ref}\n  manifest   {place.uri}/{ref.path}\n  parent     {manifest.parent or 'none'}")
    print(f"  taken by   {manifest.made_by.started_by or manifest.made_by.dag_id}: {manifest.made_by.reason}")
    stored = size(manifest.stored_size)
    print(f"  size       {len(manifest.files)} files, {size(manifest.size)}, stored as {stored}")
    print(f"  facts      {json.dumps(manifest.facts, indent=2, ensure_ascii=False)}")
    print("".join(f"  member     {one.subject}@{one.name}\n" for one in manifest.members), end="")
    print(
        "".join(f"  drill      {one.at:%Y-%m-%d} {in_words(one)}\n" for one in results(place) if one.ref == ref), end=""
    )
    if files:
        for entry in manifest.files:
            print(f"  {entry.sha256[:12]}  {entry.size:>12}  {entry.codec:8}  {entry.path}")


def backup_report(to: Annotated[Path, typer.Argument(help="The HTML file to write.")]) -> None:
    """Write the page *Backups* as one file: what is backed up, where, how old, how often drilled, and its cost."""
    from datetime import UTC, datetime

    from almanac.backup.report import make_report
    from almanac.backup.retention.protected import protected_models
    from almanac.backup.survey import survey
    from almanac.journal.journal import Journal
    from almanac.reporting.templates import NAVIGATION, render

    home, settings, places = open_installation(write=False)
    journal, now = Journal(home.journal_url), datetime.now(UTC)
    found = protected_models(home)
    gaps = survey(home, found.models, journal, places.all(), settings, now=now)
    report = make_report(places, journal, settings, found, now=now, gaps=gaps)
    to.write_text(render("pages/backups.html.j2", report=report).replace(NAVIGATION, "", 1), "utf-8")
    print("\n".join([*report.problems, *(f"not yet: {line}" for line in report.pending), f"{to}: written"]))


def verify(
    subject: _Subject = "",
    level: Annotated[
        int, typer.Option(min=1, max=3, help="1: manifests; 2: sizes of objects, too; 3: their content, too.")
    ] = 3,
    share: Annotated[bool, typer.Option("--share", help="At level 3, only the objects that are due today.")] = False,
    second: Second = False,
    unsigned: _Unsigned = False,
    as_json: AsJson = False,
) -> None:
    """Verify stored snapshots; exit code 1 when one cannot be restored completely. `drill` checks more."""
    from datetime import UTC, datetime
    from typing import cast

    from almanac.backup.snapshot.verify import Level, Share
    from almanac.backup.snapshot.verify import verify as verify_snapshots
    from almanac.backup.store.catalogue import Catalogue

    _, settings, _ = open_installation(write=False)
    repository, now = open_reader(second, unsigned), datetime.now(UTC)
    of_today = Share.today(settings.drills.verify_days, now) if share else None
    refs = Catalogue(repository).refs(subject)
    found = verify_snapshots(repository, refs, level=cast("Level", level), now=now, share=of_today)
    damaged = len({finding.ref for finding in found.findings if finding.fatal})
    if as_json:
        print_json({"found": found, "damaged": damaged})
    else:
        for finding in found.findings:
            print(f"{'DAMAGED' if finding.fatal else 'note   '}  {finding.text}")
        cold = f"; {found.frozen} not read, because they are in the archive tier" if found.frozen else ""
        read = f"{found.objects} objects, {size(found.bytes_read)} read"
        print(f"{found.snapshots} snapshots, {read}; {damaged} damaged{cold}")
    if damaged:
        raise typer.Exit(1)


def restore(
    what: _What,
    to: Annotated[Path | None, typer.Option(help="A new folder. None: <home>/restored/<snapshot>.")] = None,
    live: Annotated[bool, typer.Option("--live", help="Restore it to its live location.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="With --live: move what is there aside, to <name>.before-<time>.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--give-up", help="With --live: stop an unfinished restore; keep what is restored.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Restore what is intact, and list the rest.")] = False,
    use: Annotated[bool, typer.Option("--use", help="Check it: open tables, query databases, predict again.")] = False,
    trust: Annotated[bool, typer.Option("--trust", help="With --use: load formats that can run code, too.")] = False,
    second: Second = False,
    unsigned: _Unsigned = False,
    reason: Annotated[str, typer.Option(help="Why. Recorded in the journal with your name, for live restores.")] = "",
) -> None:
    """Restore a snapshot, or a whole group, from the backup repository alone.

    Objects in the archive tier are requested, and the command exits with 75: run it again when it says. Interrupted, or
    when something could not be restored (1), the same command continues. All of it is back, but journal, registry and
    data do not know the same: 3.
    Never over what is there: into a new folder, or with --live where it belongs, if nothing is there.
    Examples: `almanac restore dataset/weather`, `almanac restore group/all --live`.
    """
    from almanac.backup.restore.to_folder import Restores
    from almanac.backup.store.catalogue import Catalogue

    home, settings, _ = open_installation(write=False)
    repository = open_reader(second, unsigned)
    ref = Catalogue(repository).find(what)
    if (live and (to or partial or use)) or (not live and (replace or stop)):
        raise typer.BadParameter("--replace and --give-up need --live, and no other option can be combined with --live")
    if live and stop:
        _give_up(home, ref)
        return
    if live:
        with _services_down(home, ref):
            _wait_for_archive(repository, ref, settings.tiers)
            _restore_live(repository, ref, home, replace=replace, reason=reason)
        return
    _wait_for_archive(repository, ref, settings.tiers)
    target = to or home.home / "restored" / f"{ref}".replace("/", "-")
    _restore_to(Restores(repository, ref, target.resolve(), partial, use, trust), home)


def _restore_live(repository: "BackupRepository", ref: "Ref", home: "Home", *, replace: bool, reason: str) -> None:
    from datetime import UTC, datetime

    from almanac.backup.installation import databases, exists
    from almanac.backup.restore.live import members, restore_live
    from almanac.backup.restore.whole import differences
    from almanac.backup.snapshot.journal_rows import accept_restored_tables, record_restore
    from almanac.services.registry_access import open_registry_to_read

    done = restore_live(repository, ref, home, replace=replace)
    print("\n".join(done))
    found = differences(home, open_registry_to_read(home), repository, ref)
    now = datetime.now(UTC)
    lines = [*done, *(one.words for one in found)]
    if exists(databases(home)["journal"]):
        run, refs = run_of("restore"), members(repository, ref)
        record_in_journal(home, lambda journal: record_restore(journal, ref, lines, run, reason, now))
        record_in_journal(home, lambda journal: accept_restored_tables(home, refs, journal, run, reason, now))
    _print_differences(found)


def _print_differences(found: "Sequence[Difference]") -> None:
    for one in found:
        print(one.words)
    if any(one.lost for one in found):
        print(
            "Everything is restored, but its parts are not of the same time: check the differences before you continue."
        )
        raise typer.Exit(DIFFERS)


def _give_up(home: "Home", ref: "Ref") -> None:
    from almanac.backup.restore.live import give_up

    lines = give_up(home, ref)
    print("\n".join(lines) if lines else f"{ref}: no restore to live locations is in progress")


def _wait_for_archive(repository: "BackupRepository", ref: "Ref", settings: "Tiers") -> None:
    from datetime import UTC, datetime

    from almanac.backup.restore.live import members
    from almanac.backup.tiers.archive_restore import request_restore

    waiting = request_restore(repository, members(repository, ref), settings, now=datetime.now(UTC), by=user())
    if waiting:
        print("\n".join(request.words for request in waiting))
        print("Nothing is restored yet. Run the same command again then; a second request costs nothing.")
        raise typer.Exit(COME_AGAIN)


def _restore_to(job: "Restores", home: "Home") -> None:
    from dataclasses import replace

    from almanac.backup.installation import databases
    from almanac.backup.restore.compare import compare_folder
    from almanac.backup.restore.to_folder import restore_to
    from almanac.backup.retention.protected import last_installation

    types = last_installation(home)[0].trusted_types
    done = restore_to(replace(job, servers=databases(home), types=types), report=print)
    if done.damaged:
        print("".join(f"DAMAGED  {line}\n" for line in done.damaged), end="")
        raise typer.Exit(1)
    _print_differences(compare_folder(done.folders, done.manifests, home))


def _services_down(home: "Home", ref: "Ref") -> "AbstractContextManager[None]":
    """Hold the services down: no database is replaced while a service runs, and none starts meanwhile."""
    from contextlib import nullcontext

    from almanac.services.services import Services

    return Services(home).held_down() if ref.subject.startswith(("database/", "group/")) else nullcontext()


def _facts(facts: "Mapping[str, Fact]") -> str:
    shown = {key: value for key, value in facts.items() if isinstance(value, str | int) and value != ""}
    wanted = ("version", "aliases", "delta_version", "engine", "snapshots", "files")
    aliases = facts.get("aliases")
    words = [f"{key} {shown[key]}" for key in wanted if key in shown]
    return "  ".join([*words, *(map(str, aliases) if isinstance(aliases, list) else [])])
