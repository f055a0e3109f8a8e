"""What the events of an asset have said so far."""

from types import SimpleNamespace
from typing import Any

import pytest

from almanac_airflow.asset_events import announced_version


class Events:
    """As Airflow gives them to a task: oldest first, unless asked otherwise."""

    def __init__(self, extras: list[Any]) -> None:
        self._extras = extras

    def ascending(self, ascending: bool) -> "Events":
        return Events(self._extras if ascending else self._extras[::-1])

    def limit(self, limit: int) -> list[Any]:
        return [SimpleNamespace(extra=extra) for extra in self._extras[:limit]]


@pytest.mark.parametrize(
    ("extras", "version"),
    [
        ([], None),
        ([{"dataset_version": 3}, {"dataset_version": 4}], 4),
        ([{"dataset_version": 3}, {}, None, {"reason": "by hand"}], 3),
        ([{"dataset_version": "3"}], None),
        ([{"dataset_version": 500}, {"dataset_version": 0}], 0),
    ],
)
def test_announced_version_is_that_of_the_last_event_with_one(extras: list[Any], version: int | None) -> None:
    assert announced_version(Events(extras)) == version
