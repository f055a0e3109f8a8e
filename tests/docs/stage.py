"""A folder that looks like a checkout with its home, in one of the states, and a shell in it."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from almanac.config.home import REPOSITORY, Home
from almanac.errors import AlmanacError
from almanac.services.ports import load_ports
from almanac.services.services import Services
from tests.docs.command_lines import REST, almanac_words
from tests.docs.states import FACTS, STATES
from tests.docs.warm import Warm

# What a command finds beside it in a checkout.
_LINKED = ("almanac", "include", "demo", "docs", "config", "kubernetes", ".venv", "Makefile", "docker-compose.yaml")
_ASSIGNMENT = re.compile(r"([a-z_]+)=")
_INHERITED = ("PATH", "HOME", "USER", "LANG", "TMPDIR")


class Theatre:
    """Builds each state once and lays it out again for each who asks, always in the same folder."""

    def __init__(self, root: Path, warm: Warm) -> None:
        self.root = root
        self.warm = warm
        self._failed: dict[str, str] = {}

    def stage(self, state: str) -> "Stage":
        """A fresh stage in a state."""
        kept = self._kept(state)
        folder = self.root / "stage"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(kept, folder, symlinks=True)
        return Stage(folder, self.warm)

    def _kept(self, state: str) -> Path:
        kept = self.root / "kept" / state
        if kept.exists():
            return kept
        assert state not in self._failed, self._failed[state]
        before = STATES[state].after
        if before:
            stage = self.stage(before)
        else:
            folder = self.root / "stage"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name in _LINKED:
                (folder / name).symlink_to(REPOSITORY / name)
            stage = Stage(folder, self.warm)
        code, output = self.warm.call("tests.docs.states:build", stage.variables, stage.folder, name=state)
        if code != 0:
            self._failed[state] = f"state {state!r}: {output[-3000:]}"
        assert code == 0, self._failed[state]
        kept.parent.mkdir(exist_ok=True)
        shutil.move(stage.folder, kept)
        return kept


@dataclass
class Stage:
    """One home and a shell. Variables that a line exports hold for the lines behind it."""

    folder: Path
    warm: Warm
    real: bool = False
    exported: dict[str, str] = field(default_factory=dict)
    assigned: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """`ALMANAC_HOME`."""
        return Path(self.variables["ALMANAC_HOME"])

    @property
    def facts(self) -> Mapping[str, str]:
        """See `tests.docs.states.facts`."""
        path = self.folder / FACTS
        known = json.loads(path.read_text("utf-8")) if path.exists() else {}
        ports = load_ports(self.home)
        return known | ({"airflow_port": str(ports.airflow), "mlflow_port": str(ports.mlflow)} if ports else {})

    @property
    def variables(self) -> dict[str, str]:
        """The whole environment of a command."""
        mine = {
            "ALMANAC_HOME": str(self.folder / "var"),
            "ALMANAC_MODELS": str(self.folder / "models"),
            "ALMANAC_SECOND_BACKUPS": str(self.folder / "second"),
            "GX_ANALYTICS_ENABLED": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MPLBACKEND": "Agg",
            "COLUMNS": "220",
        }
        return {**{name: os.environ[name] for name in _INHERITED if name in os.environ}, **mine, **self.exported}

    def run(self, line: str) -> tuple[int, str]:
        """Run a line as a shell would; give its exit code and what it printed."""
        if line.startswith("export "):
            self.exported |= dict(word.split("=", 1) for word in shlex.split(line)[1:])
            return 0, ""
        words = almanac_words(line)
        if words is not None and not self.real:
            settings = [word for word in shlex.split(line) if "=" in word.split("almanac")[0]]
            more = dict(word.split("=", 1) for word in settings if not word.startswith("-") and word not in words)
            return self.warm.run(words, {**self.variables, **more}, self.folder)
        if line.split()[0] in REST:
            return self._ask(line)
        if words is not None and line.startswith("almanac "):
            line = f"./{line}"
        if line.startswith("make "):  # what is installed stays as it is
            line = line.replace("make ", "make -o .venv/.installed -o .venv/bin/uv ", 1)
        if name := _ASSIGNMENT.match(line):
            self.assigned.append(line)
            line = f'printf %s "${name[1]}"'
        line = "\n".join([*self.assigned, line])
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=600,
        )
        return done.returncode, done.stdout + done.stderr

    def _ask(self, line: str) -> tuple[int, str]:
        """Send a line of REST as the administrator; what needs no login is sent without one."""
        method, path, *body = line.split(" ", 2)
        services = Services(Home(home=self.home, models=self.folder / "models"))
        if method == "GET":
            answer = httpx.get(services.airflow_url + path, timeout=30)
            return int(answer.is_error), answer.text
        try:
            with services.airflow() as airflow:
                output = airflow.call(method, path.removeprefix("/api/v2"), body=json.loads(body[0]) if body else None)
                return 0, json.dumps(output)
        except AlmanacError as error:
            return 1, str(error)
