"""Who may do what, asked of the REST API: a forbidden call gives 403, a call without a token 401."""

import secrets
from collections.abc import Iterator

import httpx
import pytest

from almanac.backup.store.key_records import newest_record
from almanac.backup.store.keys import Key
from almanac.backup.store.repository import open_store
from almanac.config.credentials import ADMIN
from almanac.services.login_delays import FREE_FAILURES
from demo.native.stack import NativeStack

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

ROLES = ("Viewer", "Data engineer", "Operator", "Approver", "Admin")
FORBIDDEN, UNAUTHORIZED, TOO_MANY = 403, 401, 429
POOL = {"name": "night", "slots": 1, "include_deferred": False}
CONNECTION = {"connection_id": "weather_files", "conn_type": "http"}
USER = {"username": "x", "email": "x@localhost", "first_name": "x", "last_name": "x", "password": "x"}
ANSWER = "/dags/train_weather/dagRuns/none/taskInstances/approve/-1/hitlDetails"

# call -> the roles that may make it. 404 or 409 is an answer to someone who may ask.
CALLS = {
    ("GET", "/dags/ingest_weather"): {"Viewer", "Data engineer", "Operator", "Approver", "Admin"},
    ("POST", "/dags/check_config/clearTaskInstances"): {"Operator", "Admin"},
    ("POST", "/dags/ingest_weather/clearTaskInstances"): {"Data engineer", "Operator", "Admin"},
    ("POST", "/dags/ingest_weather/dagRuns"): {"Data engineer", "Operator", "Admin"},
    ("POST", "/dags/check_config/dagRuns"): {"Operator", "Admin"},
    ("POST", "/connections"): {"Data engineer", "Admin"},
    ("POST", "/pools"): {"Operator", "Admin"},
    ("PATCH", ANSWER): {"Approver", "Admin"},
    ("POST", "/auth/fab/v1/users"): {"Admin"},
}
BODIES = {
    "/dags/ingest_weather/dagRuns": {"logical_date": None, "conf": {"dry_run": True}},
    "/dags/check_config/dagRuns": {"logical_date": None},
    "/connections": CONNECTION,
    "/pools": POOL,
    ANSWER: {"chosen_options": ["Approve"], "params_input": {}},
    "/auth/fab/v1/users": USER,
}


@pytest.fixture(scope="module")
def tokens(stack: NativeStack) -> Iterator[dict[str, str]]:
    """A token for a user of each role."""
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:
        admin = _token(client, ADMIN, stack.secrets["AIRFLOW_ADMIN_PASSWORD"])
        found = {}
        for role in ROLES:
            name, password = role.lower().replace(" ", "_"), secrets.token_urlsafe()
            if name != ADMIN:
                body = {**USER, "username": name, "email": f"{name}@localhost", "password": password}
                made = client.post(
                    "/auth/fab/v1/users",
                    json={**body, "roles": [{"name": role}]},
                    headers={"Authorization": f"Bearer {admin}"},
                )
                assert made.is_success, made.text
            found[role] = admin if name == ADMIN else _token(client, name, password)
        yield found


def _token(client: httpx.Client, user: str, password: str) -> str:
    answer = client.post("/auth/token", json={"username": user, "password": password})
    assert answer.is_success, answer.text
    return str(answer.json()["access_token"])


def _call(stack: NativeStack, method: str, path: str, token: str = "") -> int:
    url = path if path.startswith("/auth/") else f"/api/v2{path}"
    body = BODIES.get(path, {"dry_run": True}) if method != "GET" else None
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:
        return client.request(method, url, json=body, headers=headers).status_code


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]}")
def test_call_is_answered_to_the_roles_that_may_make_it_and_to_no_others(stack, tokens, call, role):
    status = _call(stack, *call, tokens[role])

    assert (status != FORBIDDEN) == (role in CALLS[call]), status
    assert status != UNAUTHORIZED


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {call[1]}")
def test_call_without_a_token_is_unauthorized(stack, call):
    assert _call(stack, *call) == UNAUTHORIZED


def test_mlflow_without_credentials_is_unauthorized(stack):
    with httpx.Client(base_url=stack.mlflow_url, trust_env=False) as client:
        found = client.get("/api/2.0/mlflow/experiments/get", params={"experiment_id": "0"})

    assert found.status_code == UNAUTHORIZED


def test_connection_that_a_data_engineer_makes_signs_no_backup(stack, tokens):
    evil = Key.new()
    body = {"connection_id": "almanac_backup", "conn_type": "generic", "password": evil.text}
    headers = {"Authorization": f"Bearer {tokens['Data engineer']}"}
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:
        made = client.post("/api/v2/connections", json=body, headers=headers)
        assert made.is_success, made.text  # Airflow knows no right on one connection
    with stack.airflow() as airflow:
        run = airflow.trigger("backup_databases")
        assert airflow.wait("backup_databases", run.run_id, timeout_s=600).state == "success"

    record, _ = newest_record(open_store(stack.home.backups))

    assert record.key != evil.name


@pytest.mark.parametrize("path", ["/", "/auth/login/", "/almanac/", "/api/v2/version"])
def test_airflow_says_to_browsers_who_may_frame_it(stack, path):
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:
        found = client.get(path).headers

    assert "frame-ancestors 'self'" in found["content-security-policy"]
    assert (found["x-frame-options"], found["x-content-type-options"]) == ("SAMEORIGIN", "nosniff")
    assert found["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/auth/token", "/auth/login/"])
def test_airflow_slows_wrong_logins_and_lets_others_in(stack, path):
    user = f"nobody{len(path)}"
    with httpx.Client(base_url=stack.airflow_url, trust_env=False, timeout=60) as client:

        def wrong() -> int:
            login = {"username": user, "password": "x"}
            return client.post(path, **({"data": login} if "login" in path else {"json": login})).status_code

        found = [wrong() for _ in range(FREE_FAILURES + 1)]
        assert found[-1] == TOO_MANY
        assert TOO_MANY not in found[:-1]
        assert _token(client, ADMIN, stack.secrets["AIRFLOW_ADMIN_PASSWORD"])


def test_mlflow_slows_wrong_logins_and_says_who_may_frame_it(stack):
    with httpx.Client(base_url=stack.mlflow_url, trust_env=False, timeout=60) as client:
        found = [client.get("/", auth=("nobody", "x")).status_code for _ in range(FREE_FAILURES + 1)]
        page = client.get("/", auth=(ADMIN, stack.mlflow_password))

    assert found == [UNAUTHORIZED] * FREE_FAILURES + [TOO_MANY]
    assert page.is_success
    assert "frame-ancestors 'self'" in page.headers["content-security-policy"]
    assert (page.headers["x-frame-options"], page.headers["x-content-type-options"]) == ("SAMEORIGIN", "nosniff")
