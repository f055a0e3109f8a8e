"""The DAG files of this package: as a DAG bundle, or for a DAG file of two lines in another project."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.local import LocalDagBundle
from airflow.sdk import DAG, get_parsing_context

from almanac.config.repository import DAG_FILES, dag_files


class AlmanacDagBundle(LocalDagBundle):
    """The folder of the DAG files, wherever the package is installed on this machine.

    `dag_bundle_config_list` names it by its class; it takes no `path`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs, path=str(DAG_FILES))


def load_dags() -> dict[str, DAG]:
    """All DAGs by their ids, for a DAG file of one's own: `globals().update(load_dags())`.

    A task that begins parses that file for one DAG: then only the file that makes it is read.
    """
    files = dag_files(get_parsing_context().dag_id or "")
    return {dag.dag_id: dag for path in files for dag in _dags_of(path)}


def _dags_of(path: Path) -> list[DAG]:
    name = f"almanac_airflow.dag_files.{path.stem}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: cannot be imported", name=name, path=str(path))
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return [found for found in vars(module).values() if isinstance(found, DAG)]
