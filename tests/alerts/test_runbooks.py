"""Every kind of alert has its runbook where its messages say."""

from typing import get_args

import pytest

from almanac.alerts.message import runbook
from almanac.config.home import REPOSITORY
from almanac.config.sections.alerts import AlertKind


@pytest.mark.parametrize("kind", get_args(AlertKind))
def test_runbook_of_every_kind_is_written(kind):
    page, anchor = runbook(kind).split("#")
    headings = [line for line in (REPOSITORY / page).read_text("utf-8").splitlines() if line.startswith("#")]

    assert anchor in [
        line.lstrip("# ").lower().replace(": ", "-").replace(":", "").replace(" ", "-") for line in headings
    ]


def test_runbook_there_is_none_of_a_kind_that_is_never_reported():
    text = (REPOSITORY / runbook("drift").split("#")[0]).read_text("utf-8")
    written = [line.removeprefix("### Alert: ") for line in text.splitlines() if line.startswith("### Alert: ")]

    assert sorted(written) == sorted(get_args(AlertKind))
