"""What a model is made by: hashes of its declaration and of the code that makes it.

A model whose hashes differ from its champion's would come out otherwise today.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from almanac.config.schema import Model

_PACKAGE = Path(__file__).resolve().parents[1]
# Where the making of a model begins, and the rooms in which it goes on.
_BEGINNINGS = ("training/train.py", "data/table/model_rows.py")
_ROOMS = ("features", "statistics", "training")
_NOT_MAKING = frozenset({"triggers", "policy", "trials", "mode"})  # of `train`: when and where, not what


def declaration_sha256(model: Model) -> str:
    """Of what the YAML says about the model itself: not of when it is trained, gated, scored or watched."""
    # without defaults: a key that the schema learns tomorrow changes no declaration of today
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
    """Of the modules that build features and train, as Python understands them: comments and layout do not count."""
    digest = hashlib.sha256()
    for path in making_files(package):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        digest.update(f"{path.relative_to(package).as_posix()}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()


def making_files(package: Path = _PACKAGE) -> tuple[Path, ...]:
    """The modules that make a model: what the training of a candidate imports of the rooms that compute.

    When to train, who is told and what is logged are not among them; a new module of the search or of a metric is.
    """
    found: set[Path] = set()
    waiting = [package / name for name in _BEGINNINGS]
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
