"""What was told while the journal could not be used: a small file for each alert, which keeps it to one an hour."""

import hashlib
import logging
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

AGAIN_AFTER = timedelta(hours=1)
log = logging.getLogger(__name__)


class LastResort:
    """Remembers in a folder when each alert was last told.

    Args:
        folder: made when it is needed. Where nothing can be written there, the temporary folder does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def is_due(self, key: str, now: datetime) -> bool:
        """Whether an alert was not told in the last hour; from now on it was.

        Args:
            key: tells alerts apart.
            now: aware.
        """
        name = f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.told"
        paths = (self._folder / name, Path(tempfile.gettempdir()) / f"almanac-alert-{name}")
        for path in paths:
            with suppress(OSError, ValueError):  # not there, or cut off: then it counts as not told
                if abs(now - datetime.fromisoformat(path.read_text("utf-8"))) < AGAIN_AFTER:
                    return False
        for path in paths:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(now.isoformat(), "utf-8")
            except OSError as error:
                log.warning("%s: cannot be written: %s", path, error)
                continue
            return True
        return True  # twice is better than never
