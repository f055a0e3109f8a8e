"""Where the programs of one training work, and what they are run with."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.own.program import ProgramCandidate
from almanac.errors import ConfigError
from almanac.programs.environments import environment_python
from almanac.programs.run import own_python
from almanac.storage.scratch import scratch_folder

Saved = Callable[[str], None]


@dataclass(frozen=True)
class Workbench:
    """The folders of one training.

    Attributes:
        folder: for the calls, each in a folder of its own; who makes the bench removes it.
        environments: where built environments are.
        checkpoints: for what outlives a killed training; None: in `folder`.
        report: takes the output of programs, line by line.
        saved: called with the name of each checkpoint of the last fit.
    """

    folder: Path
    environments: Path
    checkpoints: Path | None
    report: Callable[[str], None]
    saved: Saved = lambda _: None

    def new_call(self) -> Path:
        """An empty folder for one call."""
        return Path(mkdtemp(prefix="call-", dir=self.folder)).resolve()

    def checkpoints_of(self, candidate: str, fingerprint: str) -> Path:
        """The checkpoints of a fit: of the same rows, parameters and files always the same folder.

        Args:
            candidate: its name.
            fingerprint: of all that the fit depends on.
        """
        root = self.checkpoints or self.folder / "checkpoints"
        found = root / re.sub(r"\W", "_", candidate) / fingerprint[:24]
        found.mkdir(parents=True, exist_ok=True)
        return found.resolve()

    def python_of(self, candidate: ProgramCandidate, where: str) -> tuple[Path, tuple[Path, ...]]:
        """The interpreter for a candidate, and the folders that it needs.

        Raises:
            ConfigError: its environment is not built.
        """
        if candidate.environment is None:
            return own_python()
        return environment_python(self.environments, candidate.environment, candidate.environment_sha256, where)


def require_bench(bench: Workbench | None, where: str) -> Workbench:
    """The bench, where a program is to be run.

    Raises:
        ConfigError: this caller has none.
    """
    if bench is None:
        raise ConfigError(f"{where}: a program runs in trainings only; expected a caller with folders for it")
    return bench


@contextmanager
def open_bench(
    model: Model,
    home: Home,
    report: Callable[[str], None],
    *,
    run_id: str = "",
    saved: Callable[[], None] = lambda: None,
) -> Iterator[Workbench | None]:
    """The bench of one training, removed at its end; None: no candidate is a program.

    Args:
        model: declares the candidates.
        home: where everything is.
        report: takes the output of programs.
        run_id: whose tries share checkpoints; empty: there is one try.
        saved: called after a checkpoint of the last fit.
    """
    if not model.train.programs:
        yield None
        return
    with scratch_folder(home.scratch) as folder:
        checkpoints = Path(home.checkpoints_of(model.name)) / slug_of(run_id) / "programs" if run_id else None
        yield Workbench(folder, home.built_environments, checkpoints, report, lambda _: saved())


def slug_of(run_id: str) -> str:
    """A run's id as the name of a folder."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", run_id).strip(".")
