"""The documentation as a site: every page is reached, every link leads somewhere, references name what there is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from almanac.cli.app import app
from almanac.config.home import REPOSITORY
from tools.docs_site import command_reference, yaml_reference


class _Loader(yaml.SafeLoader):
    """Reads `mkdocs.yml`, in which themes may name functions."""


def pages(nav: Any) -> Iterator[str]:
    """The pages that a navigation names."""
    if isinstance(nav, str):
        yield nav
    for each in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from pages(each)


def test_site_is_built_without_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=REPOSITORY,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    texts = [path.read_text("utf-8") for path in (tmp_path / "site").rglob("*.html")]
    assert not any(re.search(r"<script[^>]+src=\"https?:", text) for text in texts)
    assert "MonitorOperator" in (tmp_path / "site" / "reference" / "operators.html").read_text("utf-8")


def test_site_s_navigation_names_every_page() -> None:
    declared = yaml.load((REPOSITORY / "mkdocs.yml").read_text("utf-8"), _Loader)  # noqa: S506  # it is our own
    named = set(pages(declared["nav"]))
    written = {path.relative_to(REPOSITORY / "docs").as_posix() for path in (REPOSITORY / "docs").rglob("*.md")}
    assert {one for one in written if not one.startswith("adr/0")} - named == set()


def test_reference_names_every_command() -> None:
    def names(path: str, command: Any) -> Iterator[str]:
        for name, each in getattr(command, "commands", {}).items():
            if not each.hidden:
                yield from names(f"{path} {name}", each) if hasattr(each, "commands") else [f"{path} {name}"]

    wanted = set(names("almanac", typer.main.get_command(app)))
    assert len(wanted) > 40
    assert {line.removeprefix("## ") for line in command_reference().splitlines() if line.startswith("## ")} == wanted


def test_reference_explains_every_key_of_the_yaml() -> None:
    rows = [line for line in yaml_reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 200
    assert any(line.startswith("| `horizon` | duration |") for line in rows)
