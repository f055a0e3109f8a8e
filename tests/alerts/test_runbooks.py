"""Every kind of alert has its runbook where its messages say."""

from typing import get_args

import pytest

from include.alerts.message import runbook
from include.config.alerts import AlertKind
from include.config.home import REPOSITORY


@pytest.mark.parametrize("kind", get_args(AlertKind))
def test_runbook_of_every_kind_is_written(kind):
    page, anchor = runbook(kind).split("#")
    headings = [line for line in (REPOSITORY / page).read_text("utf-8").splitlines() if line.startswith("#")]

    assert anchor in [
        line.lstrip("# ").lower().replace(": ", "-").replace(":", "").replace(" ", "-") for line in headings
    ]
