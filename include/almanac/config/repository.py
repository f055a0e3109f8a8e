"""Where this code runs from: a checkout of the repository, or a package that pip has installed."""

import os
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from almanac.errors import ConfigError

# The folder that holds the package `almanac`: `include/` of a checkout, `site-packages/` else.
_HOLDER = Path(__file__).resolve().parents[2]

IN_CHECKOUT = _HOLDER.name == "include" and (_HOLDER.parent / "pyproject.toml").is_file()
ROOT = _HOLDER.parent if IN_CHECKOUT else _HOLDER
DAG_FILES = ROOT / "dags" if IN_CHECKOUT else ROOT / "almanac_airflow" / "dag_files"
STARTER = ROOT / "include" / "models" if IN_CHECKOUT else ROOT / "almanac" / "starter"
"""Holds the `_defaults.yaml` that a folder of models begins with."""

# The last one is for `airflow_local_settings`, which is no package's: every Airflow may have one of its own.
_SOURCES = tuple(ROOT / name for name in ("include", "plugins", "config")) if IN_CHECKOUT else ()

# DAGs whose names do not begin with that of their file.
_FILE_OF = {"reopen": "window"}


@cache
def dag_files(dag_id: str = "") -> tuple[Path, ...]:
    """The DAG files that may make a DAG: `train.py` makes `train_<model>`, `sweep.py` makes `sweep`.

    Args:
        dag_id: whose; empty: all files.
    """
    kind = dag_id.partition("_")[0]
    named = f"{_FILE_OF.get(kind, kind)}{dag_id.removeprefix(kind)}_"
    return tuple(path for path in sorted(DAG_FILES.glob("*.py")) if not dag_id or named.startswith(f"{path.stem}_"))


def python_path(inherited: str = "") -> str:
    """The `PYTHONPATH` of a process that is started from here: it runs the same code as this one.

    A checkout is installed into its environment (editable), and several checkouts may share one environment: each
    runs its own code all the same, because `PYTHONPATH` comes first. An installed package needs none.

    Args:
        inherited: what is found behind our own code.
    """
    return os.pathsep.join(filter(None, [*map(str, _SOURCES), inherited]))


def check_installed() -> None:
    """Refuse an environment in which Airflow would not find the plugin: no schedule of ours would be known there.

    Raises:
        ConfigError: the package is not installed there.
    """
    if not entry_points(group="airflow.plugins", name="almanac"):
        raise ConfigError(
            f"{sys.prefix}: the package almanac is not installed there, so that Airflow does not find its plugin;"
            f" expected an entry point `almanac` of the group `airflow.plugins`. Run: make -C {ROOT} setup"
        )
