"""A file that lands is published by the real services within seconds."""

from pathlib import Path

import pytest

from almanac.journal.records import BatchState
from tests.e2e.port import Port, finished
from tests.waiting import wait

pytestmark = pytest.mark.e2e


def test_ingest_landed_file_triggers_the_dag_and_is_published_once(harbour: Port) -> None:
    (run,) = wait(lambda: finished(harbour.runs("ingest_weather")), "the ingest to end")
    assert (run.state, run.run_type) == ("success", "asset_triggered")
    (batch,) = harbour.journal.batches("weather")
    landed = Path(harbour.home.landing_of("weather")) / "first.csv"
    assert (batch.state, batch.rows_published, batch.uri) == (BatchState.PUBLISHED, 96, str(landed))
    assert batch.run.trigger.startswith("asset_triggered: landing_weather")  # and perhaps the tick of a clock beside it
