"""`make test-mutants`: break one line at a time in the modules that guard something, and see whether a test fails.

`tests/mutants.yaml` says which modules, by which tests, and which mutants may survive because nobody could see them.
The sample is fixed: mutants are taken in the order of a hash of the seed and of what they change, so that an edit of
one function leaves the sample of the others alone. Exit codes: 0 every mutant was killed or is explained; 1 one was
not; 2 the tests fail without a mutant, so nothing is known.
"""

import argparse
import ast
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DECLARED = ROOT / "tests" / "mutants.yaml"
SEED = 19
KILLED, SURVIVED, OUT_OF_TIME = "killed", "survived", "out of time"
CLEAN, NEW_SURVIVORS, UNKNOWN = 0, 1, 2
# Imported once and inherited by the process of each mutant: nothing of ours, and nothing that reads its settings then.
_INHERITED = (
    "pytest",
    "hypothesis",
    "pandas",
    "polars",
    "pyarrow.parquet",
    "scipy.stats",
    "sqlalchemy",
    "pydantic",
    "deltalake",
    "sklearn.ensemble",
    "onnxruntime",
    "boto3",
    "httpx",
    "jinja2",
    "typer",
)
_PYTEST = ("-p", "no:cacheprovider", "-p", "no:anyio", "-p", "no:xdist")
_NOT_COPIED = shutil.ignore_patterns(".*", "var", "__pycache__", "node_modules")
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_WITHOUT_S = 1800.0  # for the tests of a module without a mutant, on a machine that does much else
_NO_CONTEXT = "__import__('contextlib').nullcontext()"


@dataclass(frozen=True)
class Mutant:
    """A module with one change. Its name, `<function>: <old> -> <new>`, outlives edits elsewhere in the module."""

    name: str
    line: int
    node: int
    change: int

    def break_text(self, text: str) -> str:
        """The module with the change, without comments."""
        tree = ast.parse(text)
        node = list(_nodes(tree))[self.node][0]
        setattr(node, *_changes(node)[self.change])
        return ast.unparse(tree)


def mutants_of(text: str) -> list[Mutant]:
    """All mutants of a module, those to be tried first in front."""
    found, counted = [], Counter[str]()
    for number, (node, function, line) in enumerate(list(_nodes(ast.parse(text)))):
        before = _text(node)
        for change, (field, value) in enumerate(_changes(node)):
            kept = getattr(node, field)
            setattr(node, field, value)
            name = f"{function}: {before} -> {_text(node)}"
            setattr(node, field, kept)
            counted[name] += 1
            found.append(Mutant(f"{name} (no. {counted[name]})" if counted[name] > 1 else name, line, number, change))
    return sorted(found, key=lambda mutant: sha256(f"{SEED} {mutant.name}".encode()).digest())


def _nodes(node: ast.AST, function: str = "module", line: int = 1) -> Iterator[tuple[Any, str, int]]:
    """What may be changed, with its function and line: no annotations, decorators, assertions, texts for people."""
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Import | ast.ImportFrom | ast.Assert):
        return
    if isinstance(node, ast.keyword) and node.arg == "strict":  # of zip, which asserts a length
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        function = node.name if function == "module" else f"{function}.{node.name}"
    line = getattr(node, "lineno", line)
    yield node, function, line
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list", "bases"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _nodes(child, function, line)


def _changes(node: Any) -> list[tuple[str, Any]]:
    """Each way to break a node: a field and what it becomes."""
    return [*_changes_of_condition(node), *_changes_of_value(node)]


def _changes_of_condition(node: Any) -> list[tuple[str, Any]]:
    match node:
        case ast.Compare():
            return [("ops", [other(), *node.ops[1:]]) for other in _COMPARISONS[type(node.ops[0])]]
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            return [("op", other), *(("values", rest) for rest in _without_one(node.values))]
        case ast.UnaryOp(op=ast.Not()):
            return [("operand", ast.UnaryOp(ast.Not(), node.operand))]
        case ast.If() | ast.IfExp() | ast.While():
            never = ("test", ast.Constant(False))
            turned = isinstance(node.test, ast.Compare | ast.BoolOp | ast.UnaryOp)
            return [never] if turned else [never, ("test", ast.UnaryOp(ast.Not(), node.test))]
        case ast.comprehension():
            return [("ifs", rest) for rest in _without_one(node.ifs)]
    return []


def _changes_of_value(node: Any) -> list[tuple[str, Any]]:
    match node:
        case ast.BinOp() | ast.AugAssign() if type(node.op) in _ARITHMETIC:
            return [("op", _ARITHMETIC[type(node.op)]())]
        case ast.Constant(value=bool()):
            return [("value", not node.value)]
        case ast.Constant(value=int() | float()):
            return [("value", node.value + 1)]
        case ast.Return(value=ast.expr()) if not _is_nothing(node.value):
            return [("value", None)]
        case ast.Expr(value=ast.Call()):
            return [("value", ast.Constant(None))]
        case ast.withitem(optional_vars=None):
            return [("context_expr", ast.parse(_NO_CONTEXT, mode="eval").body)]
        case ast.Call(func=ast.Name(id=name)) if name in _CALLED:
            return [("func", ast.Name(_CALLED[name]))]
    return []


def _is_nothing(node: ast.expr) -> bool:
    """Whether callers that ask for truth cannot tell it from None."""
    return isinstance(node, ast.Constant) and not node.value


def _without_one(nodes: list[ast.expr]) -> list[list[ast.expr]]:
    return [[one for one in nodes if one is not dropped] for dropped in nodes]


def _text(node: ast.AST) -> str:
    shown = " ".join(ast.unparse(_head(node)).split())
    return shown.replace(_NO_CONTEXT, "nullcontext()")[:160]


def _head(node: Any) -> Any:
    """An `if` or a `while` without its body."""
    if not isinstance(node, ast.If | ast.While):
        return node
    return type(node)(node.test, [ast.Expr(ast.Constant(...))], [])


class Tree:
    """A copy of the project in which modules may be broken."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        shutil.copytree(ROOT, self.root, ignore=_NOT_COPIED)

    def try_out(self, module: str, text: str, tests: list[str], timeout_s: float) -> str:
        """What becomes of a module with this text under these tests."""
        path = self.root / module
        before = path.read_text()
        path.write_text(text)
        cached = Path(cache_from_source(str(path)))
        cached.unlink(missing_ok=True)  # it may look current: same second, same size
        process = multiprocessing.get_context("fork").Process(target=_run_tests, args=(self.root, tests))
        process.start()
        try:
            process.join(timeout_s)
        finally:
            if process.exitcode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.join()
            path.write_text(before)
            cached.unlink(missing_ok=True)
        return SURVIVED if process.exitcode == 0 else KILLED


def _run_tests(root: Path, tests: list[str]) -> None:
    os.setsid()  # so that all that a test starts ends with it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(root)
    with (root / "mutant.log").open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() not in (ROOT, ROOT / "tools")]
    run = import_module("pytest").main([*_PYTEST, "-x", "-q", "--hypothesis-seed=0", *tests])
    os._exit(int(run))


def main() -> int:
    """Try the sample and print what survived; the exit code is of the survivors without explanation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", help="only these modules; none: all of tests/mutants.yaml")
    parser.add_argument("--per-module", type=int, default=6, help="mutants of each module (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=120, help="begin none after that (default: %(default)s)")
    chosen = parser.parse_args()
    declared = yaml.safe_load(DECLARED.read_text())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(UNKNOWN))  # as Ctrl-C does, so that no test goes on alone
    ends = time.monotonic() + 60 * chosen.minutes
    for name in _INHERITED:
        import_module(name)
    import_module("pytest").main([*_PYTEST, "--version"])  # so that it has its own plugins
    new = 0
    with tempfile.TemporaryDirectory(prefix="almanac-mutants-") as folder:
        tree = Tree(Path(folder))
        for module, tests in declared["modules"].items():
            if not chosen.modules or module in chosen.modules:
                explained = declared["survivors"].get(module) or {}
                new += _try_module(tree, module, tests, explained, chosen.per_module, ends)
    print(f"{new} survived without an explanation in {DECLARED.relative_to(ROOT)}")
    return NEW_SURVIVORS if new else CLEAN


def _try_module(tree: Tree, module: str, tests: list[str], explained: dict[str, str], number: int, ends: float) -> int:
    text, began, counted, new = (ROOT / module).read_text(), time.monotonic(), Counter[str](), []
    if tree.try_out(module, text, tests, timeout_s=_WITHOUT_S) != SURVIVED:
        print((tree.root / "mutant.log").read_text())
        print(f"{module}: its tests fail without a mutant, so they say nothing: {' '.join(tests)}", file=sys.stderr)
        sys.exit(UNKNOWN)
    usual_s = time.monotonic() - began
    for mutant in mutants_of(text)[:number]:
        late = time.monotonic() > ends
        became = (
            OUT_OF_TIME if late else tree.try_out(module, mutant.break_text(text), tests, timeout_s=60 + 5 * usual_s)
        )
        counted[became] += 1
        if became == SURVIVED and mutant.name not in explained:
            new.append(f"  survived: {module}:{mutant.line} {mutant.name}")
        elif became == KILLED and mutant.name in explained:
            print(f"  killed by now, take its explanation out: {module} {mutant.name}")
    counts = ", ".join(f"{counted[became]} {became}" for became in (KILLED, SURVIVED, OUT_OF_TIME))
    print(f"{module}: {counts}; {time.monotonic() - began:.0f} s", *new, sep="\n", flush=True)
    return len(new)


if __name__ == "__main__":
    sys.exit(main())
