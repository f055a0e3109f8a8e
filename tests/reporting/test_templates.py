"""What templates write."""

from datetime import UTC, datetime, timedelta

import pytest

from almanac.reporting.templates import last_day

MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)


@pytest.mark.parametrize(("end", "said"), [(MIDNIGHT, "2026-01-31"), (MIDNIGHT + timedelta(hours=1), "2026-02-01")])
def test_last_day_of_a_window_is_not_its_exclusive_end(end: datetime, said: str) -> None:
    assert last_day(end) == said
