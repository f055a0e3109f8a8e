"""Who may ask, and who may not."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.errors import ConfigError
from almanac.serving.tokens import Tokens
from tests.serving.world import DAY, Online, as_rows, next_hours

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(tmp_path / "serving")


def make(tokens: Tokens, name: str = "crane", models: tuple[str, ...] = ("weather",), lasts: timedelta = DAY) -> str:
    return tokens.create(name, models=models, lasts=lasts, by="ann", now=NOW)


def test_token_is_good_until_it_expires(tokens: Tokens) -> None:
    text = make(tokens)

    assert tokens.owner(text, NOW + DAY - timedelta(seconds=1)).name == "crane"
    assert tokens.owner(text, NOW + DAY) is None


def test_token_is_good_until_it_is_revoked(tokens: Tokens) -> None:
    text = make(tokens)

    assert tokens.revoke("crane", now=NOW) == 1
    assert tokens.owner(text, NOW) is None
    assert tokens.revoke("crane", now=NOW) == 0


def test_token_for_metrics_asks_no_model_and_the_other_way_round(tokens: Tokens) -> None:
    scrapes = tokens.owner(
        tokens.create("prometheus", models=("*",), lasts=DAY, by="ann", now=NOW, scope="metrics"), NOW
    )
    asks = tokens.owner(make(tokens), NOW)

    assert (scrapes.is_for("weather"), scrapes.is_for("weather", "metrics")) == (False, True)
    assert (asks.is_for("weather"), asks.is_for("weather", "metrics")) == (True, False)


def test_token_of_a_scope_that_there_is_not_is_refused(tokens: Tokens) -> None:
    with pytest.raises(ConfigError, match=r"got scope 'all', expected one of \['predict', 'metrics'\]"):
        tokens.create("x", models=("*",), lasts=DAY, by="ann", now=NOW, scope="all")  # type: ignore[arg-type]


def test_token_that_was_written_before_scopes_is_for_predictions(tokens: Tokens) -> None:
    text = make(tokens)
    content = [
        {name: value for name, value in each.items() if name != "scope"} for each in json.loads(tokens.path.read_text())
    ]
    tokens.path.write_text(json.dumps(content), "utf-8")

    assert tokens.owner(text, NOW).is_for("weather")


def test_token_of_another_text_is_nobodys(tokens: Tokens) -> None:
    text = make(tokens)

    assert tokens.owner(text + "x", NOW) is None
    assert tokens.owner("", NOW) is None


def test_token_itself_is_kept_nowhere_and_the_file_is_the_owners(tokens: Tokens) -> None:
    text = make(tokens)

    assert text not in tokens.path.read_text("utf-8")
    assert stat.S_IMODE(tokens.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(tokens.path.parent.stat().st_mode) == 0o700


def test_token_second_good_one_of_a_name_is_refused(tokens: Tokens) -> None:
    make(tokens)
    with pytest.raises(ConfigError, match="there is one already; revoke it first"):
        make(tokens)

    tokens.revoke("crane", now=NOW)
    assert make(tokens)


@pytest.mark.parametrize(("models", "lasts"), [((), DAY), (("weather",), timedelta(0))])
def test_token_that_would_never_be_good_is_refused(tokens: Tokens, models: tuple[str, ...], lasts: timedelta) -> None:
    with pytest.raises(ConfigError, match="expected a name, models and a time"):
        make(tokens, models=models, lasts=lasts)


@pytest.mark.parametrize("content", ["{", "[{}]", '[{"name": 1}]'])
def test_token_file_that_is_damaged_lets_nobody_in_and_says_so(tokens: Tokens, content: str) -> None:
    text = make(tokens)
    tokens.path.write_text(content, "utf-8")

    with pytest.raises(ConfigError, match="create the tokens again"):
        tokens.owner(text, NOW)


def test_token_of_another_process_counts_at_once(tokens: Tokens) -> None:
    other = Tokens(tokens.path.parent)
    assert other.owner("nobody", NOW) is None
    text = make(tokens)

    assert other.owner(text, NOW).name == "crane"


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json", "/v1/models", "/v1/models/weather"])
def test_page_without_a_token_answers_401(tmp_path: Path, path: str) -> None:
    online = Online(tmp_path)

    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {online.token}"}):
        said = online.client.get(path, headers=headers)
        assert said.status_code == 401
        assert said.headers["www-authenticate"] == "Bearer"
    assert online.client.get(path, headers={"Authorization": f"Bearer {online.token}"}).status_code == 200


def test_predict_without_a_token_answers_401(tmp_path: Path) -> None:
    online = Online(tmp_path)

    assert online.ask(*as_rows(next_hours()), token="wrong").status_code == 401


def test_token_of_another_model_is_told_that_there_is_none(tmp_path: Path) -> None:
    online = Online(tmp_path)
    tides = online.service.tokens.create("tug", models=("tides",), lasts=DAY, by="ann", now=online.clock())
    headers = {"Authorization": f"Bearer {tides}"}

    assert online.ask(*as_rows(next_hours()), token=tides).status_code == 404
    assert online.client.get("/v1/models/weather", headers=headers).status_code == 404
    assert online.client.get("/v1/models", headers=headers).json() == {"models": []}
    assert online.client.get("/openapi.json", headers=headers).json()["paths"] == {}


def test_health_says_no_names_to_strangers(tmp_path: Path) -> None:
    online = Online(tmp_path)
    assert online.client.get("/live").json() == {"live": True}
    assert online.client.get("/ready").json() == {"ready": True}

    online.versions.champion = None
    online.service.refresh()
    assert online.client.get("/ready").status_code == 503
    assert online.client.get("/live").status_code == 200


def test_openapi_has_the_columns_and_limits_of_the_yaml(tmp_path: Path) -> None:
    online = Online(tmp_path)
    said = online.client.get("/openapi.json", headers={"Authorization": f"Bearer {online.token}"}).json()
    body = said["paths"]["/v1/models/weather/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    row = body["properties"]["rows"]["items"]

    assert row["properties"]["Humidity"] == {
        "type": "number",
        "description": "Relative; 0 is a dead sensor",
        "minimum": 0.01,
        "maximum": 1.0,
    }
    assert "Humidity" in row["required"]
    assert json.dumps(said)


def test_metrics_count_what_was_asked(tmp_path: Path) -> None:
    online = Online(tmp_path)
    online.ask(*as_rows(next_hours(3)))
    online.ask({"Humidity": 7})
    said = online.client.get("/metrics", headers={"Authorization": f"Bearer {online.token}"}).text

    assert 'almanac_serving_requests_total{model="weather",status="200"} 1.0' in said
    assert 'almanac_serving_requests_total{model="weather",status="422"} 1.0' in said
    assert 'almanac_serving_rows_total{arm="champion",model="weather"} 3.0' in said
    assert 'almanac_serving_ready{model="weather"} 1.0' in said
