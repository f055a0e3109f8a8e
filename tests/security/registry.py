"""A registry in memory: what approval and promotion read and write of MLflow, and nothing that takes seconds."""

from dataclasses import dataclass, field

from almanac.registry.records import CHAMPION, ModelVersion


@dataclass
class MemoryRegistry:
    """Versions with their tags, and aliases, of one model. It is its own client."""

    model: str
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> "MemoryRegistry":
        return self

    def add(self, number: str, **tags: str) -> None:
        self.tags[number] = {f"almanac.{name}": text for name, text in {"gates": "passed", **tags}.items()}

    def aliases(self, _model: str) -> dict[str, str]:
        return dict(self.named)

    def version(self, model: str, number: str) -> ModelVersion:
        return ModelVersion(model, f"mlflow {number}", dict(self.tags[number]), version=number)

    def champion(self, model: str) -> ModelVersion | None:
        return self.version(model, self.named[CHAMPION]) if CHAMPION in self.named else None

    def load_onnx(self, _version: ModelVersion) -> bytes:
        return b"graph"

    def set_model_version_tag(self, _model: str, number: str, name: str, text: str) -> None:
        self.tags[number][name] = text

    def delete_model_version_tag(self, _model: str, number: str, name: str) -> None:
        del self.tags[number][name]

    def set_registered_model_alias(self, _model: str, alias: str, number: str) -> None:
        self.named[alias] = number

    def delete_registered_model_alias(self, _model: str, alias: str) -> None:
        del self.named[alias]
