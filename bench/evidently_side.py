"""Evidently's `DataDriftPreset` as it comes; run by `bench.drift` and `bench.drift_policy` in Evidently's environment.

    uv venv var/evidently && uv pip install --python var/evidently/bin/python evidently 'pandas<3.1' pyarrow

Reads `reference_<i>.parquet` and `window_<i>.parquet` from a folder; prints one JSON line for each pair.
"""

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd
from evidently import Dataset, Report
from evidently.presets import DataDriftPreset

folder = Path(sys.argv[1])
for path in sorted(folder.glob("reference_*.parquet")):
    reference = pd.read_parquet(path)
    window = pd.read_parquet(path.with_name(path.name.replace("reference", "window")))
    before, memory = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = Report([DataDriftPreset()]).run(Dataset.from_pandas(window), Dataset.from_pandas(reference)).dict()
    cpu_s = time.process_time() - before
    metrics = found["metrics"]
    counted = next(one["value"] for one in metrics if "DriftedColumnsCount" in json.dumps(one, default=str))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        json.dumps(
            {
                "pair": path.stem.split("_")[1],
                "columns": int(counted["count"]),
                "share": float(counted["share"]),
                "cpu_s": cpu_s,
                "extra_mb": (after - memory) / 1024,
            }
        ),
        flush=True,
    )
