"""Level 5: uses what was restored. Tables open, databases answer, graphs predict what they predicted at their backup.

Nothing is unpickled without `--trust`: graphs (ONNX) and skops files with an explicit list are safe to load.
"""

import json
from collections.abc import Collection
from pathlib import Path

from sqlalchemy.engine import URL

from almanac.backup.store.facts import ModelFacts, database_facts, model_facts
from almanac.backup.store.manifest import Manifest
from almanac.backup.subjects.delta import check_table
from almanac.backup.subjects.model import ARTIFACTS, CHECK, RUN, onnx_path
from almanac.backup.subjects.outputs import TABLES
from almanac.backup.subjects.postgres import check_rows, load, scratch_database
from almanac.backup.subjects.sqlite import examine
from almanac.errors import AlmanacError, IntegrityError
from almanac.registry import files

_PICKLES = (".pkl", ".pickle", ".joblib")
_CODE = (*_PICKLES, ".pt", ".pth", ".h5", ".keras", ".dill")
_TOLERANCE = 1e-6  # another onnxruntime may sum in another order


def use(
    folder: Path,
    manifest: Manifest,
    *,
    server: URL | None = None,
    trust: bool = False,
    types: Collection[str] = (),
) -> list[str]:
    """Use a restored snapshot, and say in words what it did.

    Args:
        folder: where it was restored.
        manifest: its manifest.
        server: a PostgreSQL server on which a scratch database may be made.
        trust: load formats that can run code, too.
        types: that the installation's list of estimators lets a pipeline hold.

    Raises:
        IntegrityError: it does not do what it did when it was backed up.
        TransientError: the server is unreachable.
    """
    try:
        return _use(folder, manifest, server, trust, types)
    except AlmanacError:
        raise
    except Exception as error:  # whatever a library says of files that are not what they should be
        raise IntegrityError(
            f"{manifest.subject}: cannot be used: {type(error).__name__}: {str(error)[:300]}. It does not hold what a"
            " snapshot of its kind holds; do not trust it"
        ) from error


def _use(folder: Path, manifest: Manifest, server: URL | None, trust: bool, types: Collection[str]) -> list[str]:
    kind, name = manifest.subject.split("/")
    match kind:
        case "dataset":
            return [check_table(folder, manifest.facts)]
        case "outputs":
            return _use_outputs(folder, manifest)
        case "database":
            return _use_database(folder, name, manifest, server)
        case "checkpoints":
            return _use_checkpoints(folder)
        case "model":
            return _use_model(folder, manifest, trust, types)
        case "folder":
            return [f"{len(manifest.files)} files, each with its bytes; what they mean is not known here"]
        case _:
            return []


def _use_outputs(folder: Path, manifest: Manifest) -> list[str]:
    lines = []
    for table in TABLES:
        facts = manifest.facts.get(table)
        if isinstance(facts, dict):
            lines.append(f"{table} {check_table(folder / table, facts)}")
    return [*lines, f"{manifest.facts.get('files')} files"]


def _use_database(folder: Path, name: str, manifest: Manifest, server: URL | None) -> list[str]:
    facts = database_facts(manifest)
    if facts.engine == "postgresql":
        if server is None:
            return ["not loaded: no PostgreSQL server is given to load it into"]
        with scratch_database(server) as database:
            load(folder / f"{name}.dump", database)
            return [check_rows(database, facts.tables, session=facts.session)]
    got = examine(folder / f"{name}.db")
    if got != facts.tables:
        raise IntegrityError(f"{manifest.subject}: the rows of its tables differ from what was recorded; do not use it")
    return [f"{len(got)} tables with {sum(int(str(rows)) for rows in got.values())} rows, as recorded; sound"]


def _use_model(folder: Path, manifest: Manifest, trust: bool, types: Collection[str]) -> list[str]:
    record, facts = json.loads((folder / RUN).read_bytes()), model_facts(manifest)
    if sorted(record["version"]["aliases"]) != facts.aliases:
        raise IntegrityError(f"{manifest.subject}: its aliases and its facts differ; do not use it")
    lines = [_use_graph(folder, manifest, facts), f"{len(record['version']['tags'])} tags, aliases {facts.aliases}"]
    pipeline = folder / ARTIFACTS / files.PIPELINE
    if pipeline.is_file():
        from almanac.registry.pipeline_file import load_pipeline

        load_pipeline(pipeline.read_bytes(), types)
        lines.append("the scikit-learn pipeline loads, of trusted types only")
    return lines + [_use_code(path, trust) for path in sorted(folder.rglob("*")) if path.suffix in _CODE]


def _use_checkpoints(folder: Path) -> list[str]:
    from almanac.training.fit.checkpoints import read_all

    loaded = [type(one.load()[-1]).__name__ for below in sorted(folder.iterdir()) for one in read_all(below)]
    return [f"{len(loaded)} checkpoints load, of trusted types only: {', '.join(sorted(set(loaded))) or 'none'}"]


def _use_graph(folder: Path, manifest: Manifest, facts: ModelFacts) -> str:
    import numpy as np

    from almanac.registry.onnx_model import OnnxModel

    onnx = (folder / onnx_path()).read_bytes()
    files.verified(onnx, facts.onnx_sha256, f"{manifest.subject}: {onnx_path()}")
    check = json.loads((folder / CHECK).read_bytes())
    got = OnnxModel(onnx).predict(np.array(check["inputs"], dtype=np.float32))
    expected = np.array(check["probabilities"])
    worst = float(np.abs(got - expected).max())
    if not worst <= _TOLERANCE:
        raise IntegrityError(
            f"{manifest.subject}: the graph's predictions differ from those at its backup; got a difference of"
            f" {worst:.3g}, expected none. Was onnxruntime changed?"
        )
    return f"version {facts.version}: {len(got)} stored inputs predicted again, difference {worst:.1g}"


def _use_code(path: Path, trust: bool) -> str:
    if not trust:
        return f"{path.name}: not loaded, it can run code; --trust loads it"
    if path.suffix not in _PICKLES:
        return f"{path.name}: not loaded, no library here can load it"
    import joblib

    joblib.load(path)
    return f"{path.name}: loaded, because --trust is given"
