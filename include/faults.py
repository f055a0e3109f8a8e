"""Named points at which a fault test can stop a real process. Nothing happens unless `ALMANAC_FAULTS` names a folder.

A test that wants to kill a process at the point `validated` puts an empty file `validated` into the folder, waits for
`validated.reached`, which holds the process id of the stopped process, and then does to it what it came for.
"""

import os
import signal
from pathlib import Path

FOLDER_VARIABLE = "ALMANAC_FAULTS"


def reached(point: str) -> None:
    """Stop this process (SIGSTOP) if a fault test waits for it at this point."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder or not (Path(folder) / point).exists():
        return
    (Path(folder) / f"{point}.reached").write_text(str(os.getpid()), "utf-8")
    os.kill(os.getpid(), signal.SIGSTOP)
