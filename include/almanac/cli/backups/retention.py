"""What `forget` and `sweep` print and do."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from almanac.backup.retention.forget import ForgetPlan
    from almanac.backup.store.place import Place
    from almanac.config.home import Home
    from almanac.config.sections.backup import InstallationBackup


def forget_by_policy(
    home: "Home", settings: "InstallationBackup", place: "Place", *, apply: bool, reason: str, by: str
) -> None:
    """Print the plan; with `apply` forget."""
    from almanac.backup.retention.forget import forget

    plan = _plan(home, place)
    for choice in plan.choices:
        print(f"{'stays ' if choice.stays else 'GOES  '}  {choice.ref}  {'; '.join(choice.reasons)}")
    staying = len(plan.choices) - len(plan.going)
    if not apply:
        print(f"{staying} stay, {len(plan.going)} would go. To forget them: almanac forget --apply")
        return
    count = forget(place, plan, now=datetime.now(UTC), by=by, reason=reason)
    print(
        f"{staying} stay, {count} are forgotten; almanac sweep deletes them after {settings.retention.grace.days} days"
    )


def forget_named(home: "Home", place: "Place", what: str, *, apply: bool, reason: str, by: str) -> None:
    """Forget the one that a person names, unless something needs it."""
    from almanac.backup.retention.forget import check_not_needed, forget_one
    from almanac.backup.store.catalogue import Catalogue

    ref, plan = Catalogue(place).find(what), _plan(home, place)
    check_not_needed(ref, plan)
    if not apply:
        print(f"{ref} would go. To forget it: almanac forget {what} --apply --reason '...'")
        return
    forget_one(place, ref, plan, now=datetime.now(UTC), by=by, reason=reason)
    print(f"{ref} is forgotten. To have it back: almanac forget {ref} --undo")


def forget_lost(home: "Home", place: "Place", what: str, *, reason: str, by: str) -> None:
    """End the alarm about a snapshot that has vanished."""
    from almanac.backup.snapshot.vanished import give_up
    from almanac.journal.journal import Journal

    ref = give_up(place, Journal(home.journal_url), what, at=datetime.now(UTC), by=by, reason=reason)
    print(f"{ref} is given up as lost")


def keep_named(place: "Place", what: str, *, undo: bool, hold: bool, reason: str, by: str) -> None:
    """Have a forgotten snapshot back, hold one, or end a hold."""
    from almanac.backup.store.catalogue import Catalogue

    catalogue = Catalogue(place)
    if undo:
        ref = catalogue.find(what, forgotten=True)
        catalogue.exhume(ref)
        print(f"{ref} is there again")
    elif hold:
        ref = catalogue.find(what)
        catalogue.hold(ref, at=datetime.now(UTC), by=by, reason=reason)
        print(f"{ref} is on hold: no policy takes it")
    else:
        ref = catalogue.find(what)
        catalogue.release(ref)
        print(f"{ref} is no longer on hold")


def sweep_place(home: "Home", place: "Place", settings: "InstallationBackup", *, dry_run: bool, approve: bool) -> None:
    """Sweep, or say what a sweep would do."""
    from almanac.backup.retention.sweep import plan_sweep, sweep
    from almanac.config.files.loader import refuse_to_delete

    now, retention, tiers = datetime.now(UTC), settings.retention, settings.tiers
    if dry_run:
        plan = plan_sweep(place, grace=retention.grace, now=now, tiers=tiers)
    else:
        refuse_to_delete(home.models)
        plan = sweep(
            place, grace=retention.grace, now=now, max_share=retention.max_deleted_share, approved=approve, tiers=tiers
        )
    for tomb in plan.waiting:
        until = tomb.forgotten_at + retention.grace
        print(f"waiting until {until:%Y-%m-%d %H:%M} UTC  {tomb.ref}  {tomb.forgotten_by}: {tomb.reason}")
    print("".join(f"{'would go' if dry_run else 'deleted '}  {ref}\n" for ref in plan.manifests), end="")
    verb = "would be" if dry_run else "are"
    typer.echo(f"{len(plan.objects)} objects, {plan.bytes} bytes ({plan.share:.0%} of the place) {verb} deleted")


def _plan(home: "Home", place: "Place") -> "ForgetPlan":
    from almanac.backup.tasks.run_retention import make_plan

    return make_plan(home, place, now=datetime.now(UTC))
