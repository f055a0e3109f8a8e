"""Retention and replication as a schedule does them, summed up as plain JSON."""

from datetime import datetime
from typing import Any

from almanac.backup.retention.forget import ForgetPlan, forget, keep_of, plan_forget
from almanac.backup.retention.protected import last_declarations, protected_models
from almanac.backup.retention.sweep import SweepPlan, plan_sweep, sweep
from almanac.backup.snapshot.replicate import replicate
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import FORMAT_FILE, BackupRepository
from almanac.backup.tasks.run_backup import repositories_of
from almanac.config.files.loader import load_installation, refuse_to_delete
from almanac.config.home import Home
from almanac.errors import IntegrityError
from almanac.registry.store import Registry


def make_plan(home: Home, repository: BackupRepository, *, now: datetime) -> ForgetPlan:
    """What the declared policies would forget; a model without a declaration keeps its pins and its policy.

    Raises:
        ConfigError: a YAML is broken; its model would lose its pins and its policy.
        RegistryError, TransientError: what is in use cannot be known.
    """
    refuse_to_delete(home.models, "forgotten")
    subjects = Catalogue(repository).subjects()
    names, models = protected_models(home, subjects).models, last_declarations(home, subjects)
    retention = load_installation(home.models).backup.retention
    keep = keep_of(models, retention, second=repository.uri == home.second_backups)
    return plan_forget(repository, keep, Registry.of(home), models=names, now=now)


def run_forget(home: Home, *, given_key: str, now: datetime, by: str, dry_run: bool) -> dict[str, dict[str, list[str]]]:
    """Forget in each repository what its policy says, or only say so; by place: what goes, what stays and why.

    Raises:
        ConfigError, RegistryError, TransientError: see `make_plan`; nothing was forgotten then.
    """
    plans = [
        (repository, make_plan(home, repository, now=now)) for repository in repositories_of(home, given_key).all()
    ]
    if not dry_run:
        for repository, plan in plans:
            forget(repository, plan, now=now, by=by, reason="policy")
    return {
        repository.uri: {
            "goes": [str(ref) for ref in plan.going],
            "stays": [f"{one.ref}: {'; '.join(one.reasons)}" for one in plan.choices if one.stays],
        }
        for repository, plan in plans
    }


def run_sweep(home: Home, *, given_key: str, now: datetime, dry_run: bool, approved: bool) -> dict[str, Any]:
    """Sweep each place, or only say what would be deleted.

    Raises:
        ApprovalError: it would be more than declared of a repository.
        ConfigError: a YAML is broken.
        IntegrityError: a manifest is damaged.
        TransientError: others work in a repository all the time.
    """
    if not dry_run:
        refuse_to_delete(home.models)
    backup = load_installation(home.models).backup
    settings, tiers = backup.retention, backup.tiers

    def one(repository: BackupRepository) -> SweepPlan:
        if dry_run:
            return plan_sweep(repository, grace=settings.grace, now=now, tiers=tiers)
        share = settings.max_deleted_share
        return sweep(repository, grace=settings.grace, now=now, max_share=share, approved=approved, tiers=tiers)

    plans = {
        repository.uri: one(repository) for repository in repositories_of(home, given_key).all() if _is_used(repository)
    }
    return {
        uri: {
            "snapshots": [str(ref) for ref in plan.manifests],
            "objects": len(plan.objects),
            "bytes": plan.bytes,
            "share": round(plan.share, 4),
            "waiting": [str(tombstone.ref) for tombstone in plan.waiting],
        }
        for uri, plan in plans.items()
    }


def run_replicate(home: Home, *, given_key: str) -> dict[str, Any] | None:
    """Copy to the secondary repository; None when there is none.

    Raises:
        IntegrityError: snapshots could not be copied, after all others were.
        TransientError: a repository is unreachable.
    """
    repositories = repositories_of(home, given_key)
    if repositories.second is None:
        return None
    done = replicate(repositories.first, repositories.second)
    if done.failed:
        raise IntegrityError(f"{len(done.failed)} snapshots could not be copied:\n" + "\n".join(done.failed))
    return {"snapshots": len(done.snapshots), "bytes": done.bytes, "lag_s": done.lag.total_seconds()}


def _is_used(repository: BackupRepository) -> bool:
    return repository.store.find(FORMAT_FILE) is not None
