"""Where the real data lie, if they do: beside the project, or where `ALMANAC_REAL_DATA` says."""

import os
from pathlib import Path

from almanac.config.home import REPOSITORY

REAL_DATA = Path(os.environ.get("ALMANAC_REAL_DATA", REPOSITORY.parent / "shared" / "data"))
