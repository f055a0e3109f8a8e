"""Fixtures of this folder."""

import pytest

from tests.data.installation import Site, tiny_csv
from tests.data.quarantine.repaired import ROWS


@pytest.fixture
def batch(site: Site) -> str:
    site.land("a.csv", tiny_csv(ROWS))
    site.ingest()
    return str(site.quarantined()["batch"][0])
