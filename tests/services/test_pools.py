"""Pools that a YAML names exist after `up`; those that exist stay as they are."""

import json
from pathlib import Path

import httpx
import yaml

from almanac.config.home import MODELS_FOLDER, Home
from almanac.services.airflow_api import AirflowClient
from almanac.services.pools import ensure_pools


def test_ensure_pools_creates_only_what_is_missing(tmp_path: Path) -> None:
    weather = yaml.safe_load((MODELS_FOLDER / "weather.yaml").read_text("utf-8"))
    weather["pipelines"] = {"train": {"pool": "heavy"}, "score": {"pool": "there"}, "monitor": {"priority": 2}}
    (tmp_path / "_defaults.yaml").write_text((MODELS_FOLDER / "_defaults.yaml").read_text("utf-8"), "utf-8")
    (tmp_path / "weather.yaml").write_text(yaml.safe_dump(weather, allow_unicode=True), "utf-8")
    created: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        if request.method == "POST":
            created.append(json.loads(request.content)["name"])
            return httpx.Response(201, json={})
        return httpx.Response(200, json={"pools": [{"name": "default_pool"}, {"name": "there"}], "total_entries": 2})

    with AirflowClient("http://airflow", "u", "p", transport=httpx.MockTransport(answer)) as airflow:
        ensure_pools(Home(home=tmp_path, models=tmp_path), airflow, lambda _: None)
    assert created == ["heavy"]
