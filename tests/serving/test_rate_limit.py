"""A caller asks at most so many times in any minute; others are not touched by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from almanac.serving.rate_limit import RateLimit
from tests.serving.world import DAY, Online, as_rows, next_hours

if TYPE_CHECKING:
    from pathlib import Path


class Seconds:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_limit_holds_in_any_minute() -> None:
    clock = Seconds()
    limit = RateLimit(3, clock=clock)
    assert [limit.wait_s("crane") for _ in range(2)] == [0, 0]
    clock.now += 40
    assert [limit.wait_s("crane") for _ in range(2)] == [0, 20]
    clock.now += 20
    assert [limit.wait_s("crane") for _ in range(3)] == [0, 0, 40]


def test_refused_request_does_not_count() -> None:
    clock = Seconds()
    limit = RateLimit(1, clock=clock)
    assert limit.wait_s("crane") == 0
    for _ in range(5):
        clock.now += 11
        assert limit.wait_s("crane") > 0
    clock.now += 5
    assert limit.wait_s("crane") == 0


def test_callers_have_limits_of_their_own() -> None:
    limit = RateLimit(1, clock=Seconds())
    assert [limit.wait_s(name) for name in ("crane", "tug", "crane")] == [0, 0, 60]


def test_no_limit_refuses_nobody() -> None:
    limit = RateLimit(None, clock=Seconds())
    assert {limit.wait_s("crane") for _ in range(1000)} == {0}


def test_caller_beyond_its_limit_is_told_when_to_come_again(tmp_path: Path) -> None:
    online, row = Online(tmp_path, {"max_requests": 3}), as_rows(next_hours())[0]
    headers = {"Authorization": f"Bearer {online.token}"}
    inputs = [{"name": "Timestamp", "datatype": "BYTES", "shape": [1], "data": [row["Timestamp"]]}]

    def post(place: str, content: object) -> int:
        return online.client.post(f"/v{place}", json=content, headers=headers).status_code

    (answered,) = online.ask(row).json()["predictions"]
    body = {"outcomes": [{"id": answered["id"], "outcome": 1}]}
    assert post("1/models/weather/feedback", body) == 202
    assert post("2/models/weather/infer", {"inputs": inputs}) != 429
    refused = online.ask(row)
    assert (refused.status_code, "serve.max_requests" in refused.json()["error"]) == (429, True)
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert post("1/models/weather/feedback", body) == 429
    assert post("2/models/weather/infer", {"inputs": inputs}) == 429
    other = online.service.tokens.create("tug", models=("weather",), lasts=DAY, by="test", now=online.clock())
    assert online.ask(row, token=other).status_code == 200
    assert online.client.get("/v1/models/weather", headers=headers).status_code == 200
