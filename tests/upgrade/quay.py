"""Files of the model `quay`: the state of one hour follows, nearly always, from `x` of the hour before."""

import math
import random
from datetime import UTC, datetime, timedelta

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "quay"


def csv_of(days: range) -> str:
    """Some days as a file that lands; the same days are the same bytes."""
    lines = ["Time,x,kind"]
    for hour in range(24 * days.start, 24 * days.stop):
        kind = "wet" if _x(hour - 1) + random.Random(f"kind {hour}").gauss(0, 0.4) > 0 else "dry"
        lines.append(f"{(BEGIN + timedelta(hours=hour)).isoformat()},{_x(hour)},{kind}")
    return "\n".join(lines) + "\n"


def _x(hour: int) -> float:
    return round(math.sin(hour / 5) + random.Random(hour).gauss(0, 0.5), 2)
