"""The examples by name, and how one is written into a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from almanac.examples import customers, mails, rentals, sales


@dataclass(frozen=True)
class ModelExample:
    """A made-up dataset and the declaration of a model of it, `<name>.yaml` beside this file.

    Attributes:
        shows: what the example is of, in a line.
        make_files: the data files, name -> text, in the order in which they land.
        later: those that are not there from the beginning.
    """

    shows: str
    make_files: Callable[[], dict[str, str]]
    later: str = ""


EXAMPLES: Mapping[str, ModelExample] = {
    "churn": ModelExample(
        "customers who leave: a table without a time, yes or no, fitted categories",
        customers.make_files,
        "newcomers.csv",
    ),
    "rentals": ModelExample("bicycles per hour: a number a day ahead, seasons, boosted trees", rentals.make_files),
    "sales": ModelExample("weekly sales of twenty stores: a forecast for each, twelve weeks ahead", sales.make_files),
    "spam": ModelExample("mails: a text, and a model that is continued", mails.make_files, "week_*.csv"),
}


def declaration_of(name: str) -> str:
    """The YAML of an example."""
    return Path(__file__).with_name(f"{name}.yaml").read_text("utf-8")


def write_example(name: str, folder: Path) -> list[Path]:
    """Write declaration and data of an example; the same bytes each time. Gives the files, the declaration first.

    Raises:
        FileExistsError: a file of one of these names is there with another content; nothing was written.
        OSError: the folder cannot be written.
    """
    texts = {f"{name}.yaml": declaration_of(name), **EXAMPLES[name].make_files()}
    contents = {folder / file: text.encode() for file, text in texts.items()}
    for path, content in contents.items():
        if path.exists() and path.read_bytes() != content:
            raise FileExistsError(str(path))
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in contents.items():
        path.write_bytes(content)
    return list(contents)
