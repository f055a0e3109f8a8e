import subprocess
import sys

from almanac.config.home import REPOSITORY

ROOMS = (
    "almanac.monitoring.monitor",
    "almanac.monitoring.report.report",
    "almanac.monitoring.report.plots",
    "almanac.scoring.score",
)
HEAVY = ("mlflow", "sklearn", "great_expectations", "pandas", "numpy", "polars", "scipy", "matplotlib", "deltalake")


def test_import_of_monitoring_and_scoring_loads_nothing_heavy() -> None:
    script = f"import sys, {', '.join(ROOMS)}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_assessing_a_window_needs_neither_mlflow_nor_scikit_learn() -> None:
    script = """
import sys
from datetime import UTC, datetime
import numpy as np
from almanac.monitoring.checks.drift import assess
from almanac.statistics.profiling import build_profile
from tests.monitoring.checks.test_drift import MODEL, rows
frame = rows(2000)
profile = build_profile(MODEL, frame, probabilities=np.full(2000, np.nan), labels=np.full(2000, np.nan))
assess(MODEL, profile, rows(720, datetime(2023, 1, 1, tzinfo=UTC)))
print([name for name in ("mlflow", "sklearn", "great_expectations") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
