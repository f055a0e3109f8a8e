"""`make test-mutants`: which mutants there are, that each is tried, and that the list of survivors is true."""

import ast
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
import yaml

from tools import mutants
from tools.mutants import CLEAN, DECLARED, KILLED, NEW_SURVIVORS, ROOT, SURVIVED, UNKNOWN, Tree, mutants_of

GUARD = '''
def may(age: int, name: str) -> bool:
    """Whether somebody may."""
    if age < 18 and not name:
        raise ValueError(f"{age + 1}")
    return age >= 21
'''


def names(text: str) -> set[str]:
    return {mutant.name for mutant in mutants_of(text)}


def test_mutants_of_a_guard_break_each_of_its_parts() -> None:
    assert names(GUARD) == {
        "may: if age < 18 and (not name): ... -> if False: ...",
        "may: age < 18 and (not name) -> age < 18 or not name",
        "may: age < 18 and (not name) -> age < 18",
        "may: age < 18 and (not name) -> not name",
        "may: age < 18 -> age <= 18",
        "may: age < 18 -> age >= 18",
        "may: 18 -> 19",
        "may: not name -> not not name",
        "may: return age >= 21 -> return",
        "may: age >= 21 -> age > 21",
        "may: age >= 21 -> age < 21",
        "may: 21 -> 22",
    }


@pytest.mark.parametrize(
    ("line", "change"),
    [
        ("lock.require()", "lock.require() -> None"),
        ("with locked(x): pass", "locked(x) -> nullcontext()"),
        ("y = [z for z in x if z]", "for z in x if z -> for z in x"),
        ("y = min(x)", "min(x) -> max(x)"),
        ("y = True", "True -> False"),
        ("y = x + 1", "x + 1 -> x - 1"),
        ("x -= 1", "x -= 1 -> x += 1"),
        ("y = 1 if x else 2", "1 if x else 2 -> 1 if False else 2"),
        ("while x: pass", "while x: ... -> while not x: ..."),
        ("y = x in z", "x in z -> x not in z"),
    ],
)
def test_mutants_of_a_line_hold_the_change(line: str, change: str) -> None:
    assert f"f: {change}" in names(f"def f(x, z, lock):\n    {line}")


@pytest.mark.parametrize(
    "line",
    [
        '"text"',
        "import x",
        "raise ValueError(1 + 1)",
        "assert x == 1",
        "y: int | None",
        "y = f'{x + 1}'",
        "y = zip(x, z, strict=True)",
        "return None",
        "if TYPE_CHECKING: import x",
    ],
)
def test_mutants_leave_out_what_nobody_sees(line: str) -> None:
    assert names(f"def f(x: int | None) -> int | None:\n    {line}") == set()


def test_mutants_of_equal_lines_have_names_of_their_own() -> None:
    assert names("def f(x):\n    g(x)\n    g(x)") == {"f: g(x) -> None", "f: g(x) -> None (no. 2)"}


def test_mutants_are_taken_in_an_order_that_edits_elsewhere_leave_alone() -> None:
    before = [mutant.name for mutant in mutants_of(GUARD)]
    after = [mutant.name for mutant in mutants_of("OTHER = 1\n\n" + GUARD) if mutant.name in before]
    assert after == before
    assert before != sorted(before)


def test_mutant_breaks_one_place_and_leaves_the_rest() -> None:
    for mutant in mutants_of(GUARD):
        broken = mutant.break_text(GUARD)
        assert ast.dump(ast.parse(broken)) != ast.dump(ast.parse(GUARD))
        assert mutant.name in names(GUARD)
        assert broken.count("\n") >= ast.unparse(ast.parse(GUARD)).count("\n")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """A project of one guard; `run(survive)` breaks it, and only the mutants of these names live through its tests."""
    module = tmp_path / "guard.py"
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(mutants, "DECLARED", tmp_path / "mutants.yaml")
    monkeypatch.setattr(mutants, "_INHERITED", ())
    module.write_text("def may(age):\n    return age >= 21\n")

    def run(survive: Collection[str], *more: str, explained: Collection[str] = ()) -> int:
        living = {one.break_text(module.read_text()) for one in mutants_of(module.read_text()) if one.name in survive}
        living |= {module.read_text()} if "no mutant" in survive else set()

        def try_out(tree: Tree, _module: str, text: str, _tests: list[str], timeout_s: float) -> str:
            (tree.root / "mutant.log").write_text("what pytest said")
            return SURVIVED if text in living else KILLED

        declared = {"modules": {"guard.py": ["test_guard.py"]}, "survivors": {"guard.py": dict.fromkeys(explained, "")}}
        mutants.DECLARED.write_text(yaml.safe_dump(declared))
        monkeypatch.setattr(Tree, "try_out", try_out)
        monkeypatch.setattr("sys.argv", ["mutants.py", *more])
        return mutants.main()

    return run


EDGE = "may: age >= 21 -> age > 21"


def test_run_in_which_all_are_killed_is_clean(project, capfd) -> None:
    assert project(["no mutant"]) == CLEAN
    assert "guard.py: 4 killed, 0 survived, 0 out of time" in capfd.readouterr().out


def test_run_names_each_survivor_and_fails(project, capfd) -> None:
    assert project(["no mutant", EDGE, "may: 21 -> 22"]) == NEW_SURVIVORS
    output = capfd.readouterr().out
    assert f"  survived: guard.py:2 {EDGE}\n" in output
    assert "2 survived without an explanation in mutants.yaml" in output


def test_run_accepts_survivors_that_are_explained_and_names_those_that_are_killed_by_now(project, capfd) -> None:
    assert project(["no mutant", EDGE], explained=[EDGE]) == CLEAN
    assert "take its explanation out" not in capfd.readouterr().out
    assert project(["no mutant"], explained=[EDGE]) == CLEAN
    assert f"killed by now, take its explanation out: guard.py {EDGE}" in capfd.readouterr().out


def test_run_of_tests_that_fail_without_a_mutant_says_nothing_is_known(project, capfd) -> None:
    with pytest.raises(SystemExit) as ended:
        project([])
    assert ended.value.code == UNKNOWN
    output = capfd.readouterr()
    assert "its tests fail without a mutant" in output.err
    assert "what pytest said" in output.out


def test_run_tries_no_more_than_asked_for_and_other_modules_not_at_all(project, capfd) -> None:
    assert project(["no mutant"], "--per-module", "3") == CLEAN
    assert "guard.py: 3 killed" in capfd.readouterr().out
    assert project([], "another.py") == CLEAN
    assert "guard.py" not in capfd.readouterr().out


def test_run_that_is_out_of_time_says_what_was_not_tried(project, capfd) -> None:
    assert project(["no mutant"], "--minutes", "0") == CLEAN
    assert "guard.py: 0 killed, 0 survived, 4 out of time" in capfd.readouterr().out


TRIES = """
import sys
from pathlib import Path
from tools import mutants

mutants.ROOT = Path(sys.argv[1])
tree = mutants.Tree(Path(sys.argv[2]))
for text, timeout_s in [("def may(): return 1", 300), ("def may(): 0", 300), ("import time; time.sleep(600)", 3)]:
    print(tree.try_out("guard.py", text, ["test_guard.py"], timeout_s))
print((tree.root / "guard.py").read_text())
"""


def test_try_out_asks_the_tests_ends_what_hangs_and_puts_the_module_back(tmp_path: Path) -> None:
    """In a process of its own: a fork of this one would wait for the thread that watches how long a test takes."""
    project, copies = tmp_path / "project", tmp_path / "copies"
    project.mkdir()
    copies.mkdir()
    (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    (project / "guard.py").write_text("def may(): return True")
    (project / "test_guard.py").write_text("from guard import may\n\ndef test_may():\n    assert may()\n")
    command = [sys.executable, "-c", TRIES, str(project), str(copies)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert output.splitlines() == [SURVIVED, KILLED, KILLED, "def may(): return True"]


def test_declared_modules_tests_and_explained_survivors_are_there() -> None:
    declared = yaml.safe_load(DECLARED.read_text("utf-8"))
    for module, tests in declared["modules"].items():
        assert (ROOT / module).is_file(), module
        assert all((ROOT / test.partition("::")[0]).is_file() for test in tests), module
    for module, survivors in declared["survivors"].items():
        gone = set(survivors) - names((ROOT / module).read_text("utf-8"))
        assert not gone, f"{module}: these mutants are no more: {gone}"
        assert all(len(why) > 20 for why in survivors.values()), module
