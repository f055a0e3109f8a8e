"""What scoring and monitoring need of a model registry; `almanac.registry.store.Registry` gives it."""

from typing import Protocol

from almanac.registry.records import ModelVersion


class ChampionRegistry(Protocol):
    """Where the champion is."""

    def champion(self, model: str) -> ModelVersion | None:
        """The version in production, or None."""

    def by_alias(self, model: str, alias: str) -> ModelVersion | None:
        """The version that carries the alias, or None."""

    def load_onnx(self, version: ModelVersion) -> bytes:
        """The verified graph of a version."""

    def load_profile(self, version: ModelVersion) -> str:
        """The verified reference profile of a version, as JSON."""
