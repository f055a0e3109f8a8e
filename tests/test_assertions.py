"""Every test asserts something: itself, or through a function of `tests/` that it calls."""

import ast
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
# What fails a test without an `assert`: pytest's own, and the assertions of numpy, polars and pandas.
_FAILING = frozenset({"raises", "warns", "fail", "deprecated_call"})


Place = tuple[str, str]  # of a helper: its file below `tests/`, its name


@dataclass(frozen=True)
class _Function:
    """A function: what it calls by a name, and which methods it calls, wherever they belong."""

    place: Place
    asserts: bool
    calls: frozenset[Place]
    methods: frozenset[str]

    def fails(self, asserting: set[Place], methods: set[str]) -> bool:
        return self.asserts or not self.calls.isdisjoint(asserting) or not self.methods.isdisjoint(methods)


def _functions(file: str, text: str) -> list[_Function]:
    nodes = list(ast.walk(ast.parse(text)))
    imported = {
        alias.asname or alias.name: (f"{one.module.removeprefix('tests.').replace('.', '/')}.py", alias.name)
        for one in nodes
        if isinstance(one, ast.ImportFrom) and one.module and one.module.startswith("tests.")
        for alias in one.names
    }
    found = []
    for function in (one for one in nodes if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)):
        within = list(ast.walk(function))
        called = [one.func for one in within if isinstance(one, ast.Call)]
        names = {one.id for one in called if isinstance(one, ast.Name)}
        methods = {one.attr for one in called if isinstance(one, ast.Attribute)}
        found.append(
            _Function(
                (file, function.name),
                any(isinstance(one, ast.Assert) for one in within)
                or any(name in _FAILING or name.startswith("assert_") for name in names | methods),
                frozenset(imported.get(name, (file, name)) for name in names),
                frozenset(methods),
            )
        )
    return found


def _idle(sources: dict[str, str]) -> list[str]:
    """The tests, as `file::name`, that nothing can fail but an exception.

    Args:
        sources: Python text by file name below `tests/`.
    """
    functions = [one for file, text in sources.items() for one in _functions(file, text)]
    tests = [one for one in functions if one.place[1].startswith("test_")]
    helpers = [one for one in functions if not one.place[1].startswith("test_")]
    asserting: set[Place] = set()
    methods: set[str] = set()
    while more := {one.place for one in helpers if one.fails(asserting, methods)} - asserting:
        asserting |= more
        methods |= {name for _, name in more}
    return ["::".join(one.place) for one in tests if not one.fails(asserting, methods)]


def test_every_test_asserts_something() -> None:
    sources = {str(path.relative_to(TESTS)): path.read_text("utf-8") for path in sorted(TESTS.rglob("*.py"))}
    assert _idle(sources) == []


def test_test_that_only_calls_is_found() -> None:
    checks = "def check(value): assert value"
    text = """
from tests.checks import check as demand
def look(value): demand(value)
def check(value): pass
def touch(value): pass
def test_own(): assert 1
def test_helped(): look(1)
def test_idle(): touch(1)
def test_of_an_idle_namesake(): check(1)
class TestMore:
    def test_raises(self):
        with pytest.raises(ValueError): touch(1)
    def test_only_calls(self): touch(2)
"""
    found = _idle({"a.py": text, "checks.py": checks})
    assert found == ["a.py::test_idle", "a.py::test_of_an_idle_namesake", "a.py::test_only_calls"]
