"""`expire`: deletes old outputs as declared, without a running Airflow."""

from typing import Annotated

import typer

from almanac.cli.backups.places import open_installation, run_of
from almanac.reporting.templates import size


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(expire)


def expire(
    model: Annotated[str, typer.Argument(help="The model's name.")],
    apply: Annotated[bool, typer.Option("--apply", help="Apply the changes. Without it: only show them.")] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Delete more than expire.max_deleted_share.")] = False,
) -> None:
    """Show which old outputs would be deleted and why the others stay; with --apply, delete them.

    Landed files, quarantine, reports, predictions, checkpoints: `expire` of the model's YAML says after how long.
    """
    from datetime import UTC, datetime

    from almanac.cleanup.expire import Expiry
    from almanac.config.files.loader import find_model
    from almanac.journal.journal import Journal

    home, _, places = open_installation()
    declared = find_model(home.models, model)
    expiry = Expiry(declared, home, Journal(home.journal_url), places.first, now=datetime.now(UTC))
    plan = expiry.execute(run=run_of("expire"), approved=approve) if apply else expiry.plan()
    for item in plan.items:
        word = "stays " if item.needs else "gone  " if apply else "GOES  "
        print(f"{word}  {item.kind:16}  {item.at:%Y-%m-%d}  {size(item.size_bytes):>10}  {item.name}", end="")
        print(f"  {'; '.join(item.needs)}" if item.needs else "")
    freed = size(sum(item.size_bytes for item in plan.going))
    asks = any(plan.share(kind) > declared.expire.max_deleted_share for kind in plan.totals)
    command = f"almanac expire {model} --apply --approve" if asks else f"almanac expire {model} --apply"
    verb = "are deleted" if apply else f"would go. To delete them: {command}"
    print(f"{len(plan.items) - len(plan.going)} old ones stay, {len(plan.going)} ({freed}) {verb}")
