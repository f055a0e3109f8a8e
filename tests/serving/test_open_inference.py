"""The Open Inference Protocol says what `/v1` says, of the same rows; what is not of its form is refused in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.serving.world import DAY, Online, as_rows, next_hours

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = as_rows(next_hours(3))
TIMES = {"name": "Timestamp", "datatype": "BYTES", "shape": [3], "data": [row["Timestamp"] for row in ROWS]}


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory) -> Online:
    return Online(tmp_path_factory.mktemp("v2"), {"max_rows": 3})


def call(online: Online, path: str, body: object = None, token: str | None = None) -> Any:
    headers = {"Authorization": f"Bearer {online.token if token is None else token}"}
    place = f"/v2{path}"
    return (
        online.client.get(place, headers=headers)
        if body is None
        else online.client.post(place, json=body, headers=headers)
    )


def tensors() -> list[dict[str, Any]]:
    """The rows as columns, of the datatypes that the service names."""

    def of(name: str, datatype: str) -> dict[str, Any]:
        return {"name": name, "datatype": datatype, "shape": [3], "data": [row[name] for row in ROWS]}

    kinds = {str: "BYTES", int: "INT64", float: "FP64"}
    typed = {name: next((type(row[name]) for row in ROWS if row[name] is not None), float) for name in ROWS[0]}
    return [of(name, kinds[kind]) for name, kind in typed.items()]


def test_infer_answers_what_predict_answers(online: Online) -> None:
    expected = online.ask(*ROWS).json()
    said = call(online, "/models/weather/infer", {"id": "mine", "inputs": tensors()})
    assert said.status_code == 200, said.text
    found = said.json()
    assert (found["model_name"], found["model_version"], found["id"]) == ("weather", "1", "mine")
    assert found["parameters"] == {"arm": "champion"}
    outputs = {one["name"]: one for one in found["outputs"]}
    for name, kind in (("probability", "FP64"), ("label", "INT64")):
        assert outputs[name]["data"] == [row[name] for row in expected["predictions"]]
        assert (outputs[name]["datatype"], outputs[name]["shape"]) == (kind, [3])
    assert len(set(outputs["id"]["data"])) == 3


def test_infer_sends_the_outputs_that_are_wanted(online: Online) -> None:
    body = {"inputs": tensors(), "outputs": [{"name": "label"}]}
    assert [one["name"] for one in call(online, "/models/weather/infer", body).json()["outputs"]] == ["label"]


def test_metadata_names_inputs_that_infer_takes(online: Online) -> None:
    found = call(online, "/models/weather").json()
    assert (found["name"], found["versions"]) == ("weather", ["1"])
    assert {one["name"]: one["datatype"] for one in found["inputs"]}["Timestamp"] == "BYTES"
    wanted = {one["name"] for one in found["inputs"]}
    body = {"inputs": [one for one in tensors() if one["name"] in wanted]}
    said = call(online, "/models/weather/infer", body)
    assert said.status_code == 200, said.text
    assert [one["name"] for one in said.json()["outputs"]] == [one["name"] for one in found["outputs"]]


def test_server_and_health_say_what_they_are(online: Online) -> None:
    assert call(online, "").json()["name"] == "almanac"
    assert call(online, "/models/weather/ready").json() == {"name": "weather", "ready": True}
    assert online.client.get("/v2/health/live").status_code == 200
    assert online.client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("path", ["", "/models/weather", "/models/weather/ready", "/models/weather/infer"])
def test_open_inference_without_a_token_is_401(online: Online, path: str) -> None:
    body = {"inputs": tensors()} if path.endswith("infer") else None
    assert call(online, path, body, token="wrong").status_code == 401


@pytest.mark.parametrize("path", ["/models/weather", "/models/weather/ready", "/models/weather/infer"])
def test_token_of_another_model_finds_none(online: Online, path: str) -> None:
    name = f"tug{path.count('/')}{path[-1]}"
    tides = online.service.tokens.create(name, models=("tides",), lasts=DAY, by="test", now=online.clock())
    body = {"inputs": tensors()} if path.endswith("infer") else None
    assert call(online, path, body, token=tides).status_code == 404


def change(**more: object) -> Callable[[], dict[str, Any]]:
    return lambda: {"inputs": [TIMES | more]}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: {"inputs": []}, "got no inputs"),
        (lambda: {"inputs": [TIMES], "more": 1}, "got 'more'"),
        (lambda: {"inputs": [TIMES, TIMES]}, "given twice"),
        (lambda: {"inputs": [TIMES], "outputs": [{"name": "secret"}]}, "outputs: got 'secret'"),
        (change(datatype="FP9"), "got datatype 'FP9'"),
        (change(datatype="INT64"), "row 0: got"),
        (change(datatype="BOOL"), "row 0: got"),
        (change(datatype="INT64", data=[1, True, 2]), "row 1: got 'True', expected INT64"),
        (change(shape=[4]), r"got shape [4] for 3 values"),
        (change(shape=[2], data=["a", ["b", "c"]]), "row 1: got"),
        (change(shape=[4], data=["a"] * 4), "got inputs of [4] rows"),
        (lambda: {"inputs": [TIMES, TIMES | {"name": "x", "shape": [1], "data": ["a"]}]}, "got inputs of [1, 3] rows"),
        (change(data=None), "expected lists `shape` and `data`"),
    ],
)
def test_body_of_another_form_is_refused_in_words(online: Online, body: Callable[[], Any], words: str) -> None:
    said = call(online, "/models/weather/infer", body())
    assert said.status_code == 400, said.text
    assert words in said.json()["error"]


def test_unknown_column_is_refused_as_in_predict(online: Online) -> None:
    said = call(online, "/models/weather/infer", {"inputs": [*tensors(), TIMES | {"name": "imagined"}]})
    assert said.status_code == 422
    assert "imagined" in said.text
