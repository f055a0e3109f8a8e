"""Snapshots that must stay whatever a policy says, each with the reason.

What cannot be known (a registry that is away) stops a `forget`, which then forgets nothing.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from almanac.backup.drill.drills import last_good
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.tiers.archive_request import OPEN, archive_requests
from almanac.registry.records import ModelVersion

Pins = Mapping[Ref, Sequence[str]]
Manifests = Mapping[Ref, Manifest]


class AliasRegistry(Protocol):
    """Who knows what is in use; `almanac.registry.store.Registry` is one."""

    def versions(self, model: str) -> list[ModelVersion]:
        """All registered versions of a model."""

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> version number."""


def find_pins(catalogue: Catalogue, manifests: Manifests, registry: AliasRegistry, *, models: Collection[str]) -> Pins:
    """All pins of a repository, but for the members of groups, which follow what becomes of the group.

    Args:
        catalogue: the place.
        manifests: its snapshots that can be read.
        registry: says which versions there are, which are in use, and what they were trained on.
        models: the declared models.

    Raises:
        RegistryError: a version does not say what it was trained on.
        TransientError: the registry is unreachable.
    """
    pins: dict[Ref, list[str]] = {ref: ["legal hold"] for ref in catalogue.held()}
    for result in last_good(catalogue.repository):
        pins.setdefault(result.ref, []).append("last good drill")
    for request in archive_requests(catalogue.repository):
        if request.state in OPEN:
            pins.setdefault(request.ref, []).append("is being restored")
    for model in models:
        for ref, reason in _of_model(model, manifests, registry):
            pins.setdefault(ref, []).append(reason)
    return pins


def member_pins(groups: Collection[Ref], manifests: Manifests) -> Pins:
    """What the groups that stay are made of."""
    pins: dict[Ref, list[str]] = {}
    for group in groups:
        for member in manifests[group].members:
            pins.setdefault(Ref(member.subject, member.name), []).append(f"part of {group}")
    return pins


def _of_model(model: str, manifests: Manifests, registry: AliasRegistry) -> Iterator[tuple[Ref, str]]:
    aliases = registry.aliases(model)
    newest_first = sorted(manifests, key=lambda ref: ref.name, reverse=True)
    versions = [ref for ref in newest_first if ref.subject == f"model/{model}"]
    for version in registry.versions(model):
        number = version.version
        used = "/".join(sorted(alias for alias, of in aliases.items() if of == number))
        name = f"{model}@{number}{f' ({used})' if used else ''}"
        for ref in [ref for ref in versions if manifests[ref].facts.get("version") == number][:1]:
            yield ref, f"the newest of registered {name}"
        for of, number_of in version.datasets.items():
            datasets = [ref for ref in newest_first if ref.subject == f"dataset/{of}"]
            for ref in [ref for ref in datasets if number_of in _readable(manifests[ref])][:1]:
                yield ref, f"what {name} {'was trained on' if of == version.dataset_owner else 'joined'}"


def _readable(manifest: Manifest) -> Sequence[object]:
    versions = manifest.facts.get("readable_versions")
    return versions if isinstance(versions, list) else ()
