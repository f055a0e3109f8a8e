"""Benchmarks: `python -m bench.x` in the checkout, whose packages lie below `include/` and `plugins/`."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / name) for name in ("include", "plugins")]
