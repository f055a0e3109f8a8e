"""Which snapshots stay hot whatever their age, each with the reason."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from almanac.backup.drill.drills import last_good
from almanac.backup.retention.pins import AliasRegistry
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.tiers.archive_request import OPEN, archive_requests

_AHEAD = timedelta(hours=1)


def hot_refs(
    catalogue: Catalogue,
    manifests: Mapping[Ref, Manifest],
    registry: AliasRegistry,
    *,
    models: Collection[str],
    now: datetime,
) -> dict[Ref, str]:
    """The newest of each subject and model version in use, the last proven, those that are being restored.

    Args:
        catalogue: the place.
        manifests: its snapshots that can be read and were not forgotten.
        registry: says which versions are in use.
        models: the declared models.
        now: what is from the future stays hot, too.

    Raises:
        TransientError: the registry is unreachable.
    """
    found = {ref: "dated in the future: a clock was wrong" for ref in manifests if ref.created > now + _AHEAD}
    found |= dict.fromkeys(newest(manifests, now=now).values(), "the newest")
    found |= {result.ref: "the last one that a drill restored" for result in last_good(catalogue.repository)}
    for model in models:
        found |= dict(_of_model(model, manifests, registry))
    found |= {
        request.ref: "is being restored" for request in archive_requests(catalogue.repository) if request.state in OPEN
    }
    return found


def newest(manifests: Collection[Ref], *, now: datetime) -> dict[str, Ref]:
    """The newest snapshot of each subject that is not from the future."""
    return {ref.subject: ref for ref in sorted(manifests) if ref.created <= now + _AHEAD}


def _of_model(model: str, manifests: Mapping[Ref, Manifest], registry: AliasRegistry) -> Iterator[tuple[Ref, str]]:
    snapshots = [ref for ref in sorted(manifests) if ref.subject == f"model/{model}"]
    of_version = {str(manifests[ref].facts.get("version", "")): ref for ref in snapshots}  # the newest of each
    numbers = [number for number in of_version if number.isdigit()]
    if numbers:
        yield of_version[max(numbers, key=int)], "the newest version"
    for alias, number in registry.aliases(model).items():
        if number in of_version:
            yield of_version[number], alias
