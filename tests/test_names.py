"""A class name means one thing, and names are words that the field uses."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from almanac.config.home import REPOSITORY

PACKAGES = (REPOSITORY / "include" / "almanac", REPOSITORY / "plugins", REPOSITORY / "dags")
# Words that this project once used for what the field calls otherwise.
FORBIDDEN = {
    "foretell": "predict",
    "foretells": "predicts",
    "foretold": "predicted",
    "learnt": "training rows",
    "bell": "asset event",
    "bells": "asset events",
    "rung": "announced",
    "unrung": "unannounced",
    "strike": "emit",
    "woken": "triggered",
    "wakes": "triggers",
    "waker": "trigger",
    "teller": "notifier",
    "tell": "notify or report",
    "told": "notified",
    "untold": "unreported",
    "said": "text, predicted or output",
    "heed": "honour",
    "deed": "action",
    "deeds": "actions",
    "act": "action",
    "acts": "actions",
    "bury": "add_tombstone",
    "exhume": "remove_tombstone",
    "tomb": "tombstone",
    "tombs": "tombstones",
    "sick": "unhealthy",
    "mend": "repair",
    "mended": "repaired",
    "anew": "again",
    "whoever": "anyone",
    "obstacle": "problem",
    "obstacles": "problems",
    "incarnation": "uptime",
    "incarnations": "uptimes",
    "unheard": "unreported",
    "vanished": "missing",
    "thawed": "restored",
    "hottest": "hot",
    "arena": "selection",
    "compete": "select",
    "winner": "selected",
    "naive": "baseline",
    "rivals": "challengers",
    "crowned": "promoted",
}
# Names that are stored or written by people: columns, keys of JSON and YAML, options, ids of tasks and Airflow's own.
STORED = {
    "told_at",
    "told_to",
    "said",
    "said_yes",
    "keep_thawed",
    "rivals",
    "tell_late",
    "strike",
    "naive",  # a datetime without a zone
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]


def names_in(tree: ast.AST) -> set[str]:
    """What a module itself names: definitions, parameters, variables and fields."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
    return found


def words_of(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}


def refused(name: str) -> set[str]:
    return set() if name in STORED else words_of(name) & FORBIDDEN.keys()


def twice(trees: dict[str, ast.Module]) -> dict[str, list[str]]:
    where = defaultdict(list)
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                where[node.name].append(path)
    return {name: paths for name, paths in where.items() if len(paths) > 1}


@cache  # parsed by who tests it, and not wherever it is collected
def trees() -> dict[str, ast.Module]:
    return {str(path.relative_to(REPOSITORY)): ast.parse(path.read_text("utf-8")) for path in modules()}


def test_class_names_mean_one_thing() -> None:
    assert twice(trees()) == {}


def test_class_names_of_two_modules_are_found() -> None:
    assert twice({"a.py": ast.parse("class A: ..."), "b.py": ast.parse("def f():\n    class A: ...")}) == {
        "A": ["a.py", "b.py"]
    }


def test_names_are_words_of_the_field() -> None:
    found = {
        f"{path}: {name}: say {' or '.join(sorted(FORBIDDEN[word] for word in wrong))}"
        for path, tree in trees().items()
        for name in names_in(tree)
        if (wrong := refused(name))
    }
    assert found == set()


def test_modules_are_named_by_words_of_the_field() -> None:
    assert {path for path in trees() if refused(Path(path).stem)} == set()


@pytest.mark.parametrize(
    "text",
    ["def foretell(): ...", "class Teller: ...", "def f(*, said_by): ...", "self.bells = 1", "for woken in x: ..."],
)
def test_forbidden_words_are_found_wherever_a_name_is_made(text: str) -> None:
    assert [name for name in names_in(ast.parse(text)) if refused(name)] != []
