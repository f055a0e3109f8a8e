"""What a sensor of the landing area looks at."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.config.schema import Declared

if TYPE_CHECKING:
    from almanac.data.ingest.new_files import NewFiles
    from almanac.registry.run_context import RunContext


def look(context: "RunContext", model: Declared, sensor: str, min_files: int, max_age: timedelta | None) -> "NewFiles":
    """The new files, when they are enough; they are this run's from then on."""
    import time

    from almanac.data.ingest.new_files import Enough, claim_new_files

    return claim_new_files(
        model,
        context.home,
        context.journal,
        sensor=sensor,
        run=context.run,
        now=context.now,
        enough=Enough(min_files, max_age),
        wait=time.sleep,
    )


def digest(home: Home, model: Declared, now: datetime) -> str:
    """The digest of the settled files as they are before a look: what comes after it ends the waiting."""
    from almanac.data.ingest.new_files import landing_digest, listed

    settle_s = model.source.settle.total_seconds()
    return landing_digest([facts for facts in listed(home, model) if now.timestamp() - facts[2] >= settle_s])


def to_json(found: "NewFiles") -> list[dict[str, Any]]:
    """The files as a sensor returns them."""
    return [file.to_json() for file in found.files]
