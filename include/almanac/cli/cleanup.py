"""`cleanup`: shows how large everything is and deletes what is old, without a running Airflow."""

from typing import TYPE_CHECKING, Annotated

import typer

from almanac.cli.backups.places import open_installation, run_of
from almanac.reporting.templates import size

if TYPE_CHECKING:
    from almanac.cleanup.cleanup import CleanupReport


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(cleanup)


def cleanup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Delete more than max_deleted_share of a kind.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Delete what is older than declared and no longer needed, and show the size of everything.

    Airflow's history, task logs, the journal, MLflow's runs: `cleanup` of `_installation.yaml`; outputs of each model:
    `expire` of its YAML. A snapshot of a database is taken before rows of it go. Exit code 1 when a part failed.
    """
    from datetime import UTC, datetime

    from almanac.cleanup.cleanup import CleanupRun, in_json
    from almanac.config.files.loader import load_installation, load_models
    from almanac.journal.journal import Journal
    from almanac.services.registry_access import open_registry

    home, _, places = open_installation()
    cleaning = CleanupRun(
        home,
        load_installation(home.models),
        load_models(home.models).models,
        Journal(home.journal_url),
        lambda: open_registry(home),
        places,
        now=datetime.now(UTC),
    )
    report = cleaning.plan() if dry_run else cleaning.execute(run=run_of("cleanup"), approved=approve)
    if json:
        print(in_json(report))
    else:
        _show(report, dry_run=dry_run)
    if report.faults:
        raise typer.Exit(1)


def _show(report: "CleanupReport", *, dry_run: bool) -> None:
    for one in report.sizes:
        amount = size(one.size_bytes) if one.size_bytes >= 0 else "?"
        print(f"{amount:>10}  {one.count:>9,}  {one.name:40}  {one.age}")
    print()
    for part in report.parts:
        for item in part.items:
            word = "stays" if item.needs else "GOES" if dry_run else "gone"
            freed = size(item.size_bytes) if item.size_bytes else ""
            print(f"{word:5}  {item.kind:16}  {freed:>10}  {item.name}", end="")
            print(f"  {'; '.join(item.needs)}" if item.needs else "")
        if part.fault:
            print(f"FAILED  {part.kind}: {part.fault}")
    going = [item for part in report.parts for item in part.going]
    freed = size(sum(item.size_bytes for item in going))
    verb = "would go; to delete them: almanac cleanup" if dry_run else "are deleted"
    print(f"{sum(item.count for item in going):,} rows and files ({freed}) {verb}")
