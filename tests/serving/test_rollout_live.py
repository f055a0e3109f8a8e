"""The service under load while its challenger breaks: no caller sees an error, and it falls back by itself."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.services.ports import any_free_port
from almanac.serving.app import make_app
from tests.serving.world import NOW, Online, as_rows, next_hours
from tests.waiting import wait

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)
pytestmark = pytest.mark.slow
ROWS = as_rows(next_hours(12))
RUN = RunRef("rollout_weather", "live")


class Broken:
    """A graph that raises."""

    def score(self, *_: object) -> Any:
        raise RuntimeError("no")


def test_bad_challenger_falls_back_by_itself_while_callers_see_no_error(tmp_path: Path) -> None:
    online = Online(tmp_path, rollout={"unit": "Timestamp", "hold": {"requests": 100}})
    online.versions.graphs["2"] = online.versions.graphs["1"]
    expected = [row["probability"] for row in online.ask(*ROWS).json()["predictions"]]
    rollouts = Rollouts(Journal(online.home.journal_url))
    at = RolloutTransition("weather", 1, 0, "2", "1", RolloutState.STEP, 1, 0.5, 0, "", NOW, RUN)
    assert rollouts.record(at)
    port = any_free_port()
    server = uvicorn.Server(uvicorn.Config(make_app(online.service), port=port, log_level="warning"))
    seen: list[tuple[float, int, list[str], list[float]]] = []
    stop = threading.Event()

    def load() -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {online.token}"}, timeout=60) as client:
            while not stop.is_set():
                said = client.post(f"http://127.0.0.1:{port}/v1/models/weather/predict", json={"rows": ROWS})
                rows = said.json().get("predictions", [])
                arms = [row.get("arm", said.json().get("arm")) for row in rows]
                seen.append((time.monotonic(), said.status_code, arms, [row["probability"] for row in rows]))

    serving = threading.Thread(target=server.run)
    callers = [threading.Thread(target=load) for _ in range(4)]
    serving.start()
    try:
        wait(lambda: server.started, "the service")
        for caller in callers:
            caller.start()
        wait(lambda: any("challenger" in arms for _, _, arms, _ in seen), "the challenger to answer")
        model = online.service.models["weather"]
        assert model.served is not None
        assert model.served.challenger is not None
        model.served = replace(model.served, challenger=replace(model.served.challenger, graph=Broken()))
        broken = time.monotonic()

        def fallen() -> bool:
            last = rollouts.newest("weather")
            return last is not None and last.state is RolloutState.FALLING_BACK

        wait(fallen, "a guard to fall back")
        decided = time.monotonic()
        wait(lambda: model.served is not None and model.served.challenger is None, "the service to take it")
        _log.warning("fell back after %.1f s, taken %.2f s later", decided - broken, time.monotonic() - decided)
        count = len(seen)
        wait(lambda: len(seen) > count + 20, "some more answers")
    finally:
        stop.set()
        for caller in callers:
            caller.join()
        server.should_exit = True
        serving.join()
    _log.warning("%d requests of %d rows", len(seen), len(ROWS))
    assert {status for _, status, _, _ in seen} == {200}
    assert all(said == expected for _, _, _, said in seen)
    assert all(set(arms) == {"champion"} for _, _, arms, _ in seen[-20:])
