"""Hashes of a model's declaration and of the code that trains it.

Where they differ from those of the champion, a training today can give another model.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from almanac.config.schema import Model

_PACKAGE = Path(__file__).resolve().parents[1]
# The modules that are followed, and the rooms in which their imports are.
_ROOTS = ("training/train.py", "data/table/model_rows.py")
_ROOMS = ("features", "statistics", "training")
_NOT_MAKING = frozenset(
    {"triggers", "policy", "trials", "mode"}
)  # keys of `train` about when and where, not about what


def declaration_sha256(model: Model) -> str:
    """The hash of what the YAML declares of the model itself: not of its schedule, gates, scoring or monitoring."""
    # without defaults: a key that a later schema adds does not change it
    parts = {"label", "features", "joins", "train", "dataset"}
    declared = model.model_dump(mode="json", include=parts, exclude_defaults=True)
    train = {name: value for name, value in declared["train"].items() if name not in _NOT_MAKING}
    dataset = {name: declared["dataset"].get(name) for name in ("time", "step", "key", "columns")}
    making = {"label": declared["label"], "features": declared["features"], "train": train, "dataset": dataset}
    if "joins" in declared:
        making["joins"] = declared["joins"]
    return hashlib.sha256(json.dumps(making, sort_keys=True).encode()).hexdigest()


@cache
def code_sha256(package: Path = _PACKAGE) -> str:
    """The hash of the modules of `making_files`."""
    return hash_modules(making_files(package), package)


def hash_modules(paths: Iterable[Path], root: Path) -> str:
    """The hash of modules, by syntax tree: comments, docstrings and layout do not count.

    Args:
        paths: of the modules.
        root: the folder below which their names count.
    """
    digest = hashlib.sha256()
    for path in paths:
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        digest.update(f"{path.relative_to(root).as_posix()}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def making_files(package: Path = _PACKAGE) -> tuple[Path, ...]:
    """The modules that determine a model: what the training of a candidate imports of features, statistics, training.

    Policy, notifications, passport and logging are not among them. New modules of a search or metric are, by import.
    """
    found: set[Path] = set()
    waiting = [package / name for name in _ROOTS]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [other for other in _imported(package, path) if other.relative_to(package).parts[0] in _ROOMS]
    return tuple(sorted(found))


def _imported(package: Path, path: Path) -> list[Path]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    files = [package.parent / f"{name.replace('.', '/')}.py" for name in names if name.startswith(f"{package.name}.")]
    return [file for file in files if file.is_file()]
