"""Corrections by revision: the newest state of a row wins, in whatever order its states come."""

from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from pydantic import ValidationError

from almanac.config.schema import Model
from almanac.config.sections.dataset import Column
from almanac.journal.records import BatchState
from tests.data.installation import START, Site, tiny_dataset

COLUMNS = {"Time": Column(type="timestamp"), "x": Column(type="float", min=0, max=10), "rev": Column(type="integer")}


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    dataset = tiny_dataset(columns=COLUMNS, corrections="replace", revision="rev", max_bad_share=0.9, skew=None)
    return Site(tmp_path, weather.model_copy(update={"dataset": dataset}))


def _csv(*rows: tuple[int, float, int]) -> str:
    return "Time,x,rev\n" + "".join(f"{(START + timedelta(hours=h)).isoformat()},{x},{rev}\n" for h, x, rev in rows)


FIRST = _csv((0, 1, 1), (1, 1, 1), (2, 1, 1))
SECOND = _csv((1, 2, 2), (2, 2, 2), (3, 2, 1))
THIRD = _csv((0, 3, 3), (2, 99, 3))  # the last is out of range: it corrects nothing
STATES = (FIRST, SECOND, THIRD)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_revisions_in_any_order_end_in_the_newest_state(site: Site, order: tuple[int, ...]) -> None:
    for number in order:
        site.land(f"{number}.csv", STATES[number])
        assert site.ingest().rejected == ()
    assert site.dataset.read().select("x", "rev").rows() == [(3, 3), (2, 2), (2, 2), (2, 1)]
    assert site.quarantined()["row"].to_list() == [2]
    again = "".join([FIRST, *SECOND.splitlines(keepends=True)[1:]])  # old states again, in another file
    site.land("again.csv", again)
    version = site.ingest().dataset_version
    assert site.dataset.read(version=version)["x"].to_list() == [3, 2, 2, 2]


def test_stale_revision_is_dropped_and_counted(site: Site) -> None:
    site.land("new.csv", SECOND)
    site.ingest()
    site.land("old.csv", FIRST)
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows) == (1, 2)
    (old,) = [one for one in site.journal.batches("weather") if one.uri.endswith("old.csv")]
    assert old.state is BatchState.PUBLISHED
    assert "rows dropped that have a newer revision: 2" in old.warnings


def test_revisions_of_one_row_in_one_file_leave_the_newest(site: Site) -> None:
    site.land("feed.csv", _csv((0, 1, 1), (0, 3, 3), (0, 2, 2)))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows, summary.dropped_rows) == (1, 0, 2)
    assert site.dataset.read()["x"].to_list() == [3]


def test_other_values_under_one_revision_are_a_conflict(site: Site) -> None:
    site.land("a.csv", FIRST)
    site.ingest()
    site.land("b.csv", _csv((0, 5, 1), (7, 5, 1)))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows) == (1, 1)
    assert site.quarantined()["rules"].to_list() == [["key.conflict_with_dataset"]]


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": "nobody"},
        {"revision": "Time"},
        {"revision": "rev", "corrections": "quarantine"},
        {"revision": "rev", "columns": {**COLUMNS, "rev": Column(type="integer", nullable=True)}},
    ],
)
def test_revision_that_cannot_order_rows_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="revision needs corrections: replace"):
        tiny_dataset(**{"columns": COLUMNS, "corrections": "replace", **changes})
