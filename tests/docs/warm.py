"""`./almanac` as a process of its own for each command, without its imports: a warm parent forks, as Airflow's does.

`python -P -m tests.docs.warm` reads one request a line from its standard input (JSON: words, variables, folder, output)
and answers with the exit code. What a command prints goes to the file `output`.
"""

import importlib
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from almanac.config.home import REPOSITORY
from almanac.config.repository import python_path

# No module may start a thread: it would not exist in the forked process.
_MODULES = (
    "almanac.cli.app",
    "polars",
    "deltalake",
    "mlflow.tracking",
    "sqlalchemy.dialects.sqlite",
    "rich.table",
    "yaml",
    "jinja2",
    "cryptography.hazmat.primitives.ciphers.aead",
    "onnxruntime",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "skops.io",
    "skl2onnx",
    "great_expectations",
    "almanac.backup.snapshot.backup",
    "almanac.drills.run_drill",
    "almanac.backup.restore.live",
    "almanac.data.quarantine.readmission",
    "almanac.data.ingest.ingest",
    "almanac.release.rebuild",
    "almanac.release.lineage",
    "almanac.cleanup.expire",
    "almanac.windows.overview",
    "almanac.data.table.card",
)
_QUIET = {
    "ORT_DISABLE_TELEMETRY": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "_RJEM_MALLOC_CONF": "background_thread:false",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


class Warm:
    """The parent, as the tests use it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.docs.warm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_QUIET, "PYTHONPATH": python_path(str(REPOSITORY))},
            text=True,
            start_new_session=True,  # whatever a command signals, the tests are not among it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def run(self, words: Sequence[str], variables: Mapping[str, str], folder: Path) -> tuple[int, str]:
        """Run `almanac WORDS` in a folder with these variables and no others; give exit code and what it printed."""
        return self._ask({"words": list(words)}, variables, folder)

    def call(self, function: str, variables: Mapping[str, str], folder: Path, **arguments: object) -> tuple[int, str]:
        """Call `module:function` in a process of its own."""
        return self._ask({"function": function, "arguments": arguments}, variables, folder)

    def _ask(self, request: dict[str, Any], variables: Mapping[str, str], folder: Path) -> tuple[int, str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        output = folder.parent / "output"
        request |= {"variables": dict(variables), "folder": str(folder), "output": str(output)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline()), output.read_text("utf-8", errors="replace")


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what an import prints is no answer
    for name in _MODULES:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")


def _become(request: dict[str, Any]) -> None:
    """Do what was asked and end; never returns."""
    code = 70
    try:
        with Path(request["output"]).open("wb") as output:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.environ.clear()
        os.environ.update(request["variables"])
        os.chdir(request["folder"])
        code = _do(request)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - whatever it is, the parent prints it as the command's output
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _do(request: dict[str, Any]) -> int:
    os.fsync = lambda _: None  # type: ignore[assignment]  # waiting for the disk is no part of what a page promises
    if name := request.get("function"):
        module, _, function = name.partition(":")
        getattr(importlib.import_module(module), function)(**request["arguments"])
        return 0
    from almanac.cli.app import main

    sys.argv = ["almanac", *request["words"]]
    main()
    return 0


if __name__ == "__main__":
    _serve()
