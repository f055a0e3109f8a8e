"""`make audit`: known vulnerabilities of the locked packages, and their licences.

Exit codes: 0 nothing is known against any of them; 1 something is; 2 the database could not be asked about all of them,
so nothing is known. It asks https://api.osv.dev, or PyPI with `--service pypi`, and needs a way there.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.txt", "requirements-dev.txt")
CLEAN, VULNERABLE, UNKNOWN = 0, 1, 2
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)", re.IGNORECASE | re.MULTILINE)
_LICENCE = "License :: "
_SHOWN_CHARACTERS = 60


@dataclass(frozen=True)
class Audit:
    """What is known: lines about vulnerabilities, and the packages that could not be asked about."""

    vulnerabilities: tuple[str, ...]
    not_asked: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """A vulnerability is worse than an unknown one."""
        return VULNERABLE if self.vulnerabilities else UNKNOWN if self.not_asked else CLEAN


def main() -> int:
    """Print both lists; the exit code is of the vulnerabilities alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--service", choices=("osv", "pypi"), default="osv", help="which database is asked")
    service = parser.parse_args().service
    names = {name: version for lock in LOCKS for name, version in pinned((ROOT / lock).read_text("utf-8")).items()}
    print(f"Licences of {len(names)} locked packages, as the installed ones say:")
    for line in licence_lines(names):
        print(f"  {line}")
    found = read_answer(ask(service), names)
    for line in found.vulnerabilities:
        print(f"VULNERABLE  {line}")
    print(in_words(found, len(names), service))
    return found.exit_code


def pinned(lock: str) -> dict[str, str]:
    """Names and versions of a lock."""
    return {_folded(name): version for name, version in _PINNED.findall(lock)}


def ask(service: str) -> str:
    """What pip-audit answers about the locks; empty when it gave none."""
    requirements = [option for lock in LOCKS for option in ("--requirement", str(ROOT / lock))]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip_audit",
            *requirements,
            "--disable-pip",
            "--require-hashes",
            "--format",
            "json",
            "--progress-spinner",
            "off",
            "--vulnerability-service",
            service,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.strip():
        message = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        print(f"pip-audit gave no answer; its last word: {message[:300]}", file=sys.stderr)
    return done.stdout


def read_answer(answer: str, names: Mapping[str, str]) -> Audit:
    """Read pip-audit's answer. What it skips, or does not name at all, it has not looked at, whatever its exit code.

    Args:
        answer: its JSON; empty or anything else: it could ask about nothing.
        names: what should have been asked about.
    """
    try:
        found: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        found = []
    asked = {_folded(one["name"]) for one in found if "vulns" in one}
    lines = [
        f"{one['name']} {one['version']}: {flaw['id']}; fixed in {', '.join(flaw['fix_versions']) or 'no version yet'}"
        for one in found
        for flaw in one.get("vulns", ())
    ]
    return Audit(tuple(lines), tuple(sorted(names.keys() - asked)))


def in_words(found: Audit, packages: int, service: str) -> str:
    """The outcome in a sentence or two."""
    looked_at = packages - len(found.not_asked)
    summary = f"{len(found.vulnerabilities)} known vulnerabilities in {looked_at} of {packages} packages."
    if not found.not_asked:
        return summary
    return (
        f"{summary} About {len(found.not_asked)} the database ({service}) could not be asked: of these nothing is"
        f" known."
        " Run make audit where there is a way to it."
    )


def licence_lines(names: Iterable[str]) -> list[str]:
    """One line per licence with the packages under it; those that are not installed here come last."""
    licences = {_folded(one.metadata["Name"]): _licence(one.metadata) for one in distributions()}
    by_licence: dict[str, list[str]] = {}
    for name in sorted(names):
        by_licence.setdefault(licences.get(name, "not installed here"), []).append(name)
    last = by_licence.pop("not installed here", [])
    lines = [f"{licence}: {', '.join(found)}" for licence, found in sorted(by_licence.items())]
    return [*lines, *([f"not installed here: {', '.join(last)}"] if last else [])]


def _licence(metadata: Any) -> str:
    expression = metadata.get("License-Expression")
    classified = [
        line.rsplit(" :: ", 1)[-1] for line in metadata.get_all("Classifier", []) if line.startswith(_LICENCE)
    ]
    text = (metadata.get("License") or "").strip().partition("\n")[0]
    return str(expression or " and ".join(classified) or text[:_SHOWN_CHARACTERS] or "says nothing")


def _folded(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
