"""Log files of Airflow that are old: of tasks, and of the dag-processor. Services rotate their own by size."""

import os
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from almanac.cleanup.plan import ExpiryPlan, Item
from almanac.storage.files import remove
from almanac.storage.local_files import files_below


class TaskLogs:
    """Log files that nobody has written to for so long, wherever below the folder they lie.

    Args:
        folder: where Airflow writes them.
        age: declared.
        now: the time.

    Raises:
        TransientError: on `delete`, when the disk refuses.
    """

    kind, database = "task_logs", ""

    def __init__(self, folder: Path, age: timedelta, now: datetime) -> None:
        self._folder, self._before = folder, now - age

    def plan(self) -> ExpiryPlan:
        """The old files, folder by folder of the first level: `dag_id=...`, `dag_processor`."""
        total, old = 0, defaultdict[str, list[tuple[Path, os.stat_result]]](list)
        for file in files_below(self._folder):
            total += file.found.st_size
            if file.found.st_mtime < self._before.timestamp():
                old[file.name.partition("/")[0]].append((file.path, file.found))
        items = [_item(self.kind, name, files) for name, files in sorted(old.items())]
        return ExpiryPlan(tuple(items), {self.kind: total})

    def delete(self, plan: ExpiryPlan) -> None:
        """Remove them, and the folders that they leave empty."""
        for item in plan.going:
            for path in map(Path, item.where):
                remove(str(path))
                for above in path.parents:
                    if above == self._folder:
                        break
                    with suppress(OSError):  # it is not empty, or was removed by somebody else
                        above.rmdir()


def _item(kind: str, name: str, files: list[tuple[Path, os.stat_result]]) -> Item:
    newest = max(facts.st_mtime for _, facts in files)
    size = sum(facts.st_size for _, facts in files)
    where = tuple(str(path) for path, _ in files)
    return Item(kind, f"{len(files)} files of {name}", size, datetime.fromtimestamp(newest, UTC), (), where, len(files))
