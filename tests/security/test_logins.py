"""Wrong logins wait longer and longer, and nobody else notices; browsers are told what a page may not do."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.services import mlflow_authentication
from almanac.services.login_delays import FREE_FAILURES, MAX_DELAY_S, LoginDelays
from almanac_airflow.plugin import AlmanacPlugin
from almanac_airflow.ui.guard import HEADERS, Guard, middlewares

PASSWORD = "right"


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def fail(delays: LoginDelays, times: int, user: str = "ada", address: str = "1.1.1.1") -> None:
    for _ in range(times):
        delays.failed(user, address)


def test_wait_s_doubles_after_the_free_failures_up_to_a_minute(clock: Clock) -> None:
    delays = LoginDelays(clock)
    found = []
    for _ in range(FREE_FAILURES + 9):
        fail(delays, 1)
        found.append(delays.wait_s("ada", "1.1.1.1"))
    assert found[: FREE_FAILURES - 1] == [0.0] * (FREE_FAILURES - 1)
    assert found[FREE_FAILURES - 1 :] == [1, 2, 4, 8, 16, 32, *[MAX_DELAY_S] * 4]


def test_wait_s_is_of_this_user_at_this_address_alone(clock: Clock) -> None:
    delays = LoginDelays(clock)
    fail(delays, 20)
    assert delays.wait_s("ADA", "1.1.1.1") == MAX_DELAY_S
    assert (delays.wait_s("ada", "2.2.2.2"), delays.wait_s("grace", "1.1.1.1")) == (0, 0)


def test_wait_s_ends_by_time_by_success_and_is_forgotten(clock: Clock) -> None:
    delays = LoginDelays(clock)
    fail(delays, 20)
    clock.now_s += MAX_DELAY_S
    assert delays.wait_s("ada", "1.1.1.1") == 0
    delays.succeeded("ada", "1.1.1.1")
    fail(delays, FREE_FAILURES - 1)
    assert delays.wait_s("ada", "1.1.1.1") == 0
    clock.now_s += 1000
    fail(delays, 1)
    assert delays.wait_s("ada", "1.1.1.1") == 0


def test_failed_of_a_million_users_keeps_memory_bounded(clock: Clock) -> None:
    delays = LoginDelays(clock)
    for number in range(30_000):
        delays.failed(f"{number}" * 1000, "1.1.1.1")
    assert len(delays) == 10_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 2000), st.booleans())))
def test_wait_s_is_never_longer_than_a_minute(steps: list[tuple[str, float, bool]]) -> None:
    clock = Clock()
    delays = LoginDelays(clock)
    for user, later_s, right in steps:
        clock.now_s += later_s
        (delays.succeeded if right else delays.failed)(user, "1.1.1.1")
        assert 0 <= delays.wait_s(user, "1.1.1.1") <= MAX_DELAY_S


async def airflow(scope: Any, receive: Any, send: Any) -> None:
    """Answers logins as Airflow's two auth managers do."""
    body = (await receive())["body"]
    form = scope["path"].rstrip("/").endswith("/login")
    right = (f"password={PASSWORD}" if form else f'"password": "{PASSWORD}"').encode() in body
    headers = [(b"location", b"/" if right else b"/auth/login/?next=x")] if form else []
    status = 302 if form else 201 if right else 401
    if scope["path"] == "/own":
        headers = [(b"Content-Security-Policy", b"default-src 'none'")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"checked"})


WRONG = "wrong"


def ask(guard: Guard, path: str, user: str = "ada", password: str = WRONG, address: str = "1.1.1.1") -> httpx.Response:
    login = {"username": user, "password": password}
    is_form = path.rstrip("/").endswith("/login")
    content = urlencode(login) if is_form else json.dumps(login)

    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(guard, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post(path, content=content)

    return asyncio.run(go())


@pytest.mark.parametrize(
    "path", ["/auth/token", "/auth/token/", "/auth/token/cli", "/auth/login/", "/below/auth/login"]
)
def test_guard_slows_wrong_logins_of_one_user_at_one_address(path: str, clock: Clock) -> None:
    guard = Guard(airflow, LoginDelays(clock))
    for _ in range(FREE_FAILURES):
        assert ask(guard, path).text == "checked"
    refused = ask(guard, path, password=PASSWORD)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert "checked" not in refused.text
    assert ask(guard, path, user="grace").text == "checked"
    assert ask(guard, path, address="2.2.2.2").text == "checked"
    clock.now_s += 1
    assert ask(guard, path, password=PASSWORD).text == "checked"
    assert ask(guard, path).text == "checked"


@pytest.mark.parametrize("path", ["/auth/token", "/auth/login/"])
def test_guard_never_slows_right_logins(path: str, clock: Clock) -> None:
    guard = Guard(airflow, LoginDelays(clock))
    assert {ask(guard, path, password=PASSWORD).text for _ in range(3 * FREE_FAILURES)} == {"checked"}


@pytest.mark.parametrize("path", ["/auth/token", "/auth/login/"])
def test_guard_counts_guesses_that_come_at_the_same_time(path: str, clock: Clock) -> None:
    checked, waiting = [], asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        checked.append(1)
        await waiting.wait()
        await airflow(scope, receive, send)

    async def go() -> None:
        transport = httpx.ASGITransport(Guard(slow, LoginDelays(clock)), client=("1.1.1.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            content = urlencode({"username": "ada"}) if "login" in path else json.dumps({"username": "ada"})
            tries = [asyncio.create_task(client.post(path, content=content)) for _ in range(50)]
            while sum(one.done() for one in tries) < 50 - FREE_FAILURES:
                await asyncio.sleep(0)
            waiting.set()
            await asyncio.gather(*tries)

    asyncio.run(asyncio.wait_for(go(), 60))
    assert len(checked) == FREE_FAILURES


@pytest.mark.parametrize("body", [b"[" * 50_000, b"\xff", b"[]", b"null", b""])
def test_guard_passes_on_what_is_no_login(body: bytes, clock: Clock) -> None:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(Guard(airflow, LoginDelays(clock)))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return await client.post("/auth/token", content=body)

    assert asyncio.run(go()).status_code == 401


def test_guard_refuses_a_login_that_is_too_large(clock: Clock) -> None:
    assert ask(Guard(airflow, LoginDelays(clock)), "/auth/token", user="x" * 100_000).status_code == 413


def test_guard_adds_headers_and_keeps_those_of_a_page(clock: Clock) -> None:
    guard = Guard(airflow, LoginDelays(clock))
    found = ask(guard, "/anything").headers
    assert {name: found[name.decode()].encode() for name in HEADERS} == HEADERS
    assert ask(guard, "/own").headers.get_list("content-security-policy") == ["default-src 'none'"]


def test_plugin_hangs_the_guard_in_front_of_the_server() -> None:
    assert [one["middleware"] for one in AlmanacPlugin.fastapi_root_middlewares] == [Guard]


def test_guard_is_left_out_where_somebody_else_guards_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one["middleware"] for one in middlewares()] == [Guard]
    monkeypatch.setenv("ALMANAC_LOGIN_GUARD", "0")
    assert middlewares() == []


@pytest.fixture
def mlflow_login(monkeypatch: pytest.MonkeyPatch, clock: Clock, tmp_path) -> Any:
    monkeypatch.setattr(mlflow_authentication, "_delays", LoginDelays(clock))
    ini = tmp_path / "auth.ini"
    ini.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{tmp_path}/auth.db\nadmin_username = admin\n"
        "authorization_function = almanac.services.mlflow_authentication:authenticate\n"
    )
    monkeypatch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(ini))
    monkeypatch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", PASSWORD * 4)
    from flask import make_response, request
    from mlflow.server import auth

    def checks() -> Any:
        login = request.authorization
        return login if login is not None and login.password == PASSWORD else make_response("who are you?", 401)

    monkeypatch.setattr(auth, "authenticate_request_basic_auth", checks)
    return mlflow_authentication


def test_mlflow_slows_wrong_logins_and_sends_headers(mlflow_login: Any, clock: Clock) -> None:
    from flask import Flask, Response

    app = Flask("test")

    @app.before_request
    def who() -> Response | None:
        found = mlflow_login.authenticate()
        return found if isinstance(found, Response) else None

    app.add_url_rule("/", view_func=lambda: "shown")
    client = app.test_client()

    def get(password: str, user: str = "ada", address: str = "1.1.1.1") -> Any:
        return client.get("/", auth=(user, password), environ_overrides={"REMOTE_ADDR": address})

    assert [get("wrong").status_code for _ in range(FREE_FAILURES)] == [401] * FREE_FAILURES
    refused = get(PASSWORD)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert (get(PASSWORD, user="grace").status_code, get(PASSWORD, address="2.2.2.2").status_code) == (200, 200)
    clock.now_s += 1
    shown = get(PASSWORD)
    assert (shown.status_code, get("wrong").status_code) == (200, 401)
    assert {name: shown.headers[name] for name in mlflow_login.HEADERS} == mlflow_login.HEADERS
    assert client.get("/").status_code == 401
