"""What `forget` and `sweep` print and do."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from almanac.backup.retention.forget import ForgetPlan
    from almanac.backup.store.repository import BackupRepository
    from almanac.config.home import Home
    from almanac.config.sections.retention.backup import InstallationBackup


def forget_by_policy(
    home: "Home", settings: "InstallationBackup", repository: "BackupRepository", *, apply: bool, reason: str, by: str
) -> None:
    """Print the plan; with `apply` forget."""
    from almanac.backup.retention.forget import forget

    plan = _plan(home, repository)
    for choice in plan.choices:
        print(f"{'stays ' if choice.stays else 'GOES  '}  {choice.ref}  {'; '.join(choice.reasons)}")
    staying = len(plan.choices) - len(plan.going)
    if not apply:
        print(f"{staying} stay, {len(plan.going)} would go. To forget them: almanac forget --apply")
        return
    count = forget(repository, plan, now=datetime.now(UTC), by=by, reason=reason)
    print(
        f"{staying} stay, {count} are forgotten; almanac sweep deletes them after {settings.retention.grace.days} days"
    )


def forget_named(home: "Home", repository: "BackupRepository", what: str, *, apply: bool, reason: str, by: str) -> None:
    """Forget the one that a person names, unless something needs it."""
    from almanac.backup.retention.forget import check_not_needed, forget_one
    from almanac.backup.store.catalogue import Catalogue

    ref, plan = Catalogue(repository).find(what), _plan(home, repository)
    check_not_needed(ref, plan)
    if not apply:
        print(f"{ref} would go. To forget it: almanac forget {what} --apply --reason '...'")
        return
    forget_one(repository, ref, plan, now=datetime.now(UTC), by=by, reason=reason)
    print(f"{ref} is forgotten. To undo: almanac forget {ref} --undo")


def forget_lost(home: "Home", repository: "BackupRepository", what: str, *, reason: str, by: str) -> None:
    """Close the alert about a missing snapshot."""
    from almanac.backup.snapshot.missing import give_up
    from almanac.journal.journal import Journal

    ref = give_up(repository, Journal(home.journal_url), what, at=datetime.now(UTC), by=by, reason=reason)
    print(f"{ref} is recorded as lost")


def keep_named(repository: "BackupRepository", what: str, *, undo: bool, hold: bool, reason: str, by: str) -> None:
    """Undo a forget, set a hold, or end it."""
    from almanac.backup.store.catalogue import Catalogue

    catalogue = Catalogue(repository)
    if undo:
        ref = catalogue.find(what, forgotten=True)
        catalogue.remove_tombstone(ref)
        print(f"{ref} is kept again")
    elif hold:
        ref = catalogue.find(what)
        catalogue.hold(ref, at=datetime.now(UTC), by=by, reason=reason)
        print(f"{ref} is on hold: no policy forgets it")
    else:
        ref = catalogue.find(what)
        catalogue.release(ref)
        print(f"{ref} is no longer on hold")


def sweep_repository(
    home: "Home", repository: "BackupRepository", settings: "InstallationBackup", *, dry_run: bool, approve: bool
) -> None:
    """Sweep, or say what a sweep would do."""
    from almanac.backup.retention.sweep import plan_sweep, sweep
    from almanac.config.files.loader import refuse_to_delete

    now, retention, tiers = datetime.now(UTC), settings.retention, settings.tiers
    if dry_run:
        plan = plan_sweep(repository, grace=retention.grace, now=now, tiers=tiers)
    else:
        refuse_to_delete(home.models)
        plan = sweep(
            repository,
            grace=retention.grace,
            now=now,
            max_share=retention.max_deleted_share,
            approved=approve,
            tiers=tiers,
        )
    for tombstone in plan.waiting:
        until = tombstone.forgotten_at + retention.grace
        print(
            f"waiting until {until:%Y-%m-%d %H:%M} UTC  {tombstone.ref}  {tombstone.forgotten_by}: {tombstone.reason}"
        )
    print("".join(f"{'would go' if dry_run else 'deleted '}  {ref}\n" for ref in plan.manifests), end="")
    verb = "would be" if dry_run else "are"
    typer.echo(f"{len(plan.objects)} objects, {plan.bytes} bytes ({plan.share:.0%} of the repository) {verb} deleted")


def _plan(home: "Home", repository: "BackupRepository") -> "ForgetPlan":
    from almanac.backup.tasks.run_retention import make_plan

    return make_plan(home, repository, now=datetime.now(UTC))
