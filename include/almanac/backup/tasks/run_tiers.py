"""Tiers of an installation's repositories: planned from what is declared and in use, moved on schedule."""

from datetime import datetime
from typing import Any

from almanac.backup.retention.forget import read_all
from almanac.backup.retention.protected import protected_models
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.repository import FORMAT_FILE, BackupRepository
from almanac.backup.tasks.run_backup import repositories_of
from almanac.backup.tiers.hot_snapshots import hot_refs
from almanac.backup.tiers.plan import TierPlan, in_words, move, plan_tiers, wanted_tiers
from almanac.config.files.loader import load_installation, refuse_to_delete
from almanac.config.home import Home
from almanac.config.sections.retention.tiers import Tiers
from almanac.registry.store import Registry


def make_tier_plan(home: Home, repository: BackupRepository, settings: Tiers, *, now: datetime) -> TierPlan:
    """What would be moved within a place.

    Raises:
        ConfigError: a model's YAML is invalid; its champion would lose its place.
        TransientError: the registry or the store is unreachable.
    """
    refuse_to_delete(home.models, "moved to another tier")
    catalogue = Catalogue(repository)
    manifests, _ = read_all(catalogue)
    models = protected_models(home, catalogue.subjects()).models
    hot = hot_refs(catalogue, manifests, Registry.of(home), models=models, now=now)
    wanted = wanted_tiers(manifests, hot, settings, now=now)
    return plan_tiers(repository.store.tiers().stored(), wanted, settings, now=now)


def run_tiers(home: Home, *, given_key: str, now: datetime, dry_run: bool) -> dict[str, dict[str, Any]]:
    """Move what is declared in each repository, or only say so; by place.

    Raises:
        ConfigError, TransientError: see `make_tier_plan`; nothing was moved then.
    """
    settings = load_installation(home.models).backup.tiers
    repositories = [
        repository for repository in repositories_of(home, given_key).all() if repository.store.find(FORMAT_FILE)
    ]
    plans = [(repository, make_tier_plan(home, repository, settings, now=now)) for repository in repositories]
    return {repository.uri: _run(repository, plan, settings, dry_run) for repository, plan in plans}


def _run(repository: BackupRepository, plan: TierPlan, settings: Tiers, dry_run: bool) -> dict[str, Any]:
    summary: dict[str, Any] = {"plan": list(in_words(plan, settings))}
    if not dry_run:
        done = move(repository, plan, settings)
        summary |= {"moved": done.objects, "bytes": done.size_bytes, "asked_for": done.asked}
    return summary
