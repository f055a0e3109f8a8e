"""Metadata in a dataset's Delta table, for readers without Almanac: name, origin, owner, licence."""

from dataclasses import dataclass

from almanac.config.schema import Declared


@dataclass(frozen=True)
class TableMetadata:
    """The name and the description that Delta keeps with a table."""

    name: str
    description: str


def describe_table(model: Declared) -> str:
    """The description of a model's dataset."""
    dataset = model.dataset
    facts = {"Origin": dataset.origin, "Owner": model.owner, "Licence": dataset.licence}
    return "\n".join([f"Rows of {model.title}.", *(f"{name}: {text}" for name, text in facts.items())])
