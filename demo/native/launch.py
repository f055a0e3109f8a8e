"""Becomes the process that a private file describes: `python demo/native/launch.py FILE`.

Supervisord starts this instead of the command itself, so that its configuration and the list of processes hold no
secret.
"""

import json
import os
import sys
from pathlib import Path


def main(path: Path) -> None:
    """Replace this process."""
    found = json.loads(path.read_text("utf-8"))
    Path(found["folder"]).mkdir(parents=True, exist_ok=True)
    os.chdir(found["folder"])
    os.execvpe(found["command"][0], found["command"], found["environment"])  # noqa: S606 - what the stack wrote


if __name__ == "__main__":
    main(Path(sys.argv[1]))
