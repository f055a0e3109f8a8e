"""What a model is made by: hashes of its declaration and of the code that makes it.

A model whose hashes differ from its champion's would come out otherwise today.
"""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from include.config.home import REPOSITORY
from include.config.schema import Model

_ROOMS = ("include/features", "include/training")
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
def code_sha256(repository: Path = REPOSITORY) -> str:
    """Of the modules that build features and train, as Python understands them: comments and layout do not count."""
    digest = hashlib.sha256()
    for path in sorted(path for room in _ROOMS for path in (repository / room).glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                node.body = node.body[1:]
        digest.update(f"{path.name}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()
