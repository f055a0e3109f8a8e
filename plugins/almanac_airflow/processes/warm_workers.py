"""Called by `airflow_local_settings` at the start of every Airflow process: warms the one that forks tasks.

Tasks are forked from the scheduler (LocalExecutor) or from the Celery worker, so what that process has imported they
need not import: four chained tasks that use the whole stack take 4 seconds instead of 34. Switch it off with
`ALMANAC_WARM_WORKERS=0`: everything works, slower.
"""

import gc
import importlib
import os
import sys
import time
import warnings
from collections.abc import Sequence

# What tasks import, and the submodules that they would otherwise import one by one.
STACK = (
    "numpy",
    "pandas",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "polars",
    "deltalake",
    "scipy.stats",
    "sklearn.compose",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.tree",
    "skl2onnx",
    "onnx",
    "onnxruntime",
    "skops.io",
    "mlflow",
    "mlflow.sklearn",
    "mlflow.onnx",
    "mlflow.pyfunc",
    "mlflow.tracking",
    "great_expectations",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "jinja2",
    "httpx",
    "sqlalchemy",
    "pydantic_settings",
)


def warm_parent_of_tasks() -> None:
    """Import what tasks will need, if this process will fork them and nobody has switched it off."""
    executor = os.environ.get("AIRFLOW__CORE__EXECUTOR", "LocalExecutor")
    if os.environ.get("ALMANAC_WARM_WORKERS", "1") != "0" and is_parent_of_tasks(sys.argv, executor):
        warm()


def is_parent_of_tasks(arguments: Sequence[str], executor: str) -> bool:
    """Tell whether this process will fork tasks; all others stay light, a scheduler whose tasks run elsewhere too."""
    words = [word for word in arguments[1:] if not word.startswith("-")]
    return (words[:1] == ["scheduler"] and "LocalExecutor" in executor) or words[:2] == ["celery", "worker"]


def warm(modules: Sequence[str] = STACK) -> None:
    """Import what tasks will need.

    No module may start a thread: it would not exist in the forked task. The environment of the services keeps jemalloc
    and onnxruntime from it; polars starts one, which waits to remove spilled files and is not needed by anything else.
    """
    started = time.monotonic()
    with warnings.catch_warnings():
        # skops looks for its names in every loaded module, and Airflow's warn about a thousand of them.
        warnings.simplefilter("ignore")
        for name in modules:
            try:
                importlib.import_module(name)
            except ImportError as error:
                # The task that needs it will say so; a scheduler that does not start would stop every model.
                _log(f"workers stay cold for {name}: {error}")
    # Collections in the children would touch, and so copy, every page that they share with this process.
    gc.collect()
    gc.freeze()
    _log(f"workers are warm: {len(modules)} modules in {time.monotonic() - started:.1f} s")


def _log(message: str) -> None:
    # Airflow sets its logging up after it has read this module.
    sys.stderr.write(f"almanac: {message}\n")
