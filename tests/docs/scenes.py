"""Runbooks as they are played: the lines of a section, in order, on a home in the state in which the section begins."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tests.docs.command_lines import CommandLine

# What a reader puts in the place of what stands there, unless a scene says otherwise.
COMMON = {
    "<model>": "weather",
    "<name>": "weather",
    '"..."': '"the gauge was read again"',
    "'...'": "'the gauge was read again'",
    "--reason ...": "--reason because",
}


@dataclass(frozen=True)
class Step:
    """One line.

    Attributes:
        text: as the page prints it.
        says: patterns that must be found in what it prints.
        exit_code: what it ends with.
        before: what happens before it, a function of `tests.docs.happenings`, or of another module there, named in
            front of it: `losses:`; `after`: what must be true behind it.
        binds: what a reader puts in the place of what; values may name facts of the state, `{batch}`.
    """

    text: str
    says: tuple[str, ...] = ()
    exit_code: int = 0
    before: str = ""
    after: str = ""
    binds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """Lines of one section.

    Attributes:
        page: which page.
        section: its heading, without backticks.
        state: of `tests.docs.states`.
        steps: in the order in which a reader runs them.
        before: what has happened that made somebody open the page.
        binds: for all steps.
        needs: "time": more than the quick tests have; "services": a running Airflow and MLflow; these scenes share one
            home, in their order.
        way: tells scenes of one section apart.
    """

    page: str
    section: str
    state: str
    steps: tuple[Step, ...]
    before: str = ""
    binds: Mapping[str, str] = field(default_factory=dict)
    needs: Literal["", "time", "services"] = ""
    way: str = ""

    @property
    def lines(self) -> list[CommandLine]:
        """What it plays."""
        return [CommandLine(self.page, self.section, step.text) for step in self.steps]

    @property
    def act(self) -> tuple[object, ...]:
        """What is done; sections that print the same lines for the same state are one act."""
        steps = tuple(
            (step.text.removeprefix("./"), step.before, step.after, *step.binds.items()) for step in self.steps
        )
        return (self.state, self.before, tuple(self.binds.items()), steps)

    def __str__(self) -> str:
        slug = re.sub(r"[^a-z0-9]+", "-", self.section.lower()).strip("-")[:40]
        return f"{self.page.rsplit('/', 1)[-1]}:{slug}{':' + self.way if self.way else ''}"


@dataclass(frozen=True)
class Elsewhere:
    """A line that another test plays, because it has what the line needs; or that none can, and why."""

    line: CommandLine
    why: str
    test: str
