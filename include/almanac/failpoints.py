"""Named points at which a fault test can stop a real process. Nothing happens unless `ALMANAC_FAULTS` names a folder.

A test that wants to kill a process at the point `validated` puts an empty file `validated` into the folder, waits for
`validated.reached`, which holds the process id of the stopped process, and then does to it what it came for. A file
`validated.<subject>` stops only a process that reaches it with that subject: a batch id, say, where many batches are
under way.
"""

import os
import signal
from pathlib import Path

FOLDER_VARIABLE = "ALMANAC_FAULTS"


def failpoint(point: str, subject: str = "") -> None:
    """Stop this process (SIGSTOP) if a fault test waits for it at this point, for this subject or for any."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return
    for order in (Path(folder) / f"{point}.{subject}", Path(folder) / point):
        if order.exists():
            mark = order.with_name(f"{order.name}.{os.getpid()}")
            mark.write_text(str(os.getpid()), "utf-8")
            mark.replace(order.with_name(f"{order.name}.reached"))  # readable as soon as it is visible
            os.kill(os.getpid(), signal.SIGSTOP)
            return
