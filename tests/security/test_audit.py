"""`make audit` never takes silence for safety."""

import json

import pytest

from tools import audit

NAMES = {"flask": "1.0", "jinja2": "2.0"}


def answer(*found: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(found)})


def test_read_answer_about_all_without_a_vulnerability_is_clean() -> None:
    found = audit.read_answer(
        answer({"name": "Flask", "version": "1.0", "vulns": []}, {"name": "jinja2", "vulns": []}), NAMES
    )
    assert (found.exit_code, found.not_asked) == (audit.CLEAN, ())


def test_read_answer_names_each_vulnerability_and_what_fixes_it() -> None:
    flaw = {"id": "PYSEC-1", "fix_versions": ["1.1"]}
    found = audit.read_answer(answer({"name": "flask", "version": "1.0", "vulns": [flaw]}), NAMES)
    assert found.vulnerabilities == ("flask 1.0: PYSEC-1; fixed in 1.1",)
    assert found.exit_code == audit.VULNERABLE


@pytest.mark.parametrize(
    "said",
    ["", "Traceback", "[]", answer(), answer({"name": "flask", "skip_reason": "not found on PyPI"})],
)
def test_read_answer_without_an_answer_is_unknown_and_says_so(said: str) -> None:
    found = audit.read_answer(said, NAMES)
    assert (found.exit_code, found.not_asked) == (audit.UNKNOWN, ("flask", "jinja2"))
    assert "About 2 the database (osv) could not be asked: of these nothing is known" in audit.in_words(found, 2, "osv")


def test_pinned_reads_every_package_of_the_locks() -> None:
    found = audit.pinned((audit.ROOT / "requirements.txt").read_text("utf-8"))
    assert {"apache-airflow", "mlflow", "cryptography"} <= found.keys()
    assert all(version[0].isdigit() for version in found.values())
    assert "pip-audit" in audit.pinned((audit.ROOT / "requirements-dev.txt").read_text("utf-8"))


def test_licence_lines_name_each_package_once() -> None:
    lines = audit.licence_lines(["jinja2", "pytest", "no-such-package"])
    assert sum("jinja2" in line for line in lines) == 1
    assert any(line.startswith("MIT") and "pytest" in line for line in lines)
    assert lines[-1] == "not installed here: no-such-package"
