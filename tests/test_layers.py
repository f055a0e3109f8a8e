"""The rooms of the house lie in layers. What a room may import stands in the docstring of its `__init__`."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from almanac.config.home import REPOSITORY

PACKAGE = REPOSITORY / "include" / "almanac"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())
ABOVE = {"almanac": ("airflow", "almanac_airflow"), "": ("dags", "demo", "tests", "bench", "include", "plugins")}
DEMO = ("almanac/cli/services.py", "demo.story")  # `almanac demo` of a checkout; the one exception
MOST_MODULES = 22


@cache
def names_of(path: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            names += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def imported(folder: Path) -> list[tuple[Path, str]]:
    return [(path, name) for path in sorted(folder.rglob("*.py")) for name in names_of(path)]


@cache
def allowed(room: str) -> set[str]:
    text = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8"))) or ""
    found = re.search(r"^May import: ([^.]*)\.$", text, re.MULTILINE)
    assert found, f"{room}/__init__.py: its docstring has no line `May import: ...`"
    names = set() if found[1] == "no other room" else set(re.split(r",\s+", found[1]))
    assert names <= set(ROOMS), f"{room}/__init__.py: no rooms: {names - set(ROOMS)}"
    return names


def test_rooms_import_only_what_their_docstrings_allow() -> None:
    wrong = {
        f"{path.relative_to(PACKAGE)} imports {name}"
        for room in ROOMS
        for path, name in imported(PACKAGE / room)
        if name.startswith("almanac.")
        and (other := name.split(".")[1]) in ROOMS
        and other not in {room, *allowed(room)}
    }
    assert wrong == set()


def test_rooms_lie_in_layers() -> None:
    assert len(list(TopologicalSorter({room: allowed(room) for room in ROOMS}).static_order())) == len(ROOMS)


def test_modules_beside_the_rooms_import_no_room() -> None:
    found = [(path, name) for path, name in imported(PACKAGE) if path.parent == PACKAGE]
    assert [(path.name, name) for path, name in found if name.split(".")[1:2] and name.split(".")[1] in ROOMS] == []


def test_packages_import_nothing_that_stands_above_them() -> None:
    for folder, above in ((PACKAGE, (*ABOVE["almanac"], *ABOVE[""])), (REPOSITORY / "plugins", ABOVE[""])):
        found = [(path.relative_to(folder.parent).as_posix(), name) for path, name in imported(folder)]
        wrong = [(path, name) for path, name in found if name.split(".")[0] in above]
        assert [(path, name) for path, name in wrong if path != DEMO[0] or not name.startswith(DEMO[1])] == []


def test_no_folder_is_a_heap() -> None:
    folders = {path.parent for root in (PACKAGE, REPOSITORY / "plugins") for path in root.rglob("*.py")}
    counts = {folder: len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
