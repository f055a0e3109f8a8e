"""The pages in Airflow's web server: nobody sees one whom Airflow would not show the logs, and a name is no path."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from fastapi.testclient import TestClient

from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import (
    BatchRecord,
    BatchState,
    Decision,
    DecisionKind,
    DeliveredAlert,
    RunRef,
    WindowRecord,
    WindowState,
)
from almanac.services.login_delays import FREE_FAILURES
from almanac.serving.tokens import Scope, Tokens
from almanac_airflow.ui.links import ReportLink, RunLink, WindowsLink
from almanac_airflow.ui.paths import urls
from tests.windows.conftest import declare

NOW = datetime.now(UTC).replace(microsecond=0)
RUN = RunRef("ingest_weather", "manual__2026-01-01T00:00:00+00:00", started_by="ann")
BATCH = "ab" * 32
REPORT = f"{BATCH[:12]}_a.csv.html"
ROWS = "/almanac/models/weather/reports/forecast_2026-01-01-ab.csv"
OVERVIEWS = ("/almanac/", "/almanac/search?q=weather@1", "/almanac/journal")
PAGES = (
    *OVERVIEWS,
    "/almanac/models/weather",
    "/almanac/journal?model=weather&kind=gates",
    "/almanac/run?dag_id=ingest_weather&run_id=x",
    "/almanac/models/weather/batches",
    f"/almanac/models/weather/batches/{BATCH[:12]}",
    f"/almanac/models/weather/batches/{BATCH[:12]}/data-docs",
    "/almanac/models/weather/reports",
    f"/almanac/models/weather/reports/{REPORT}",
    ROWS,
    "/almanac/models/weather/windows",
    "/almanac/models/weather/rollouts",
    "/almanac/backups",
    "/almanac/storage",
    "/almanac/search-indexes",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """An installation in which something has happened."""
    root = tmp_path_factory.mktemp("ui")
    declare(root / "models", "weather", {"size": "1d", "start": "2026-01-20T00:00:00+00:00"})
    home = Home(home=root, models=root / "models")
    journal = Journal(home.journal_url)
    reports = Path(home.reports_of("weather"))
    reports.mkdir(parents=True)
    (reports / REPORT).write_text("<html><body><!-- almanac:navigation --><p>the kept report</p></body></html>")
    (reports / REPORT.replace(".html", ".validation.json")).write_text(json.dumps({"success": False}))
    (reports / REPORT.replace(".html", ".data-docs.html")).write_text("<p>the suite's documents</p>")
    (reports / "monitor_2026-01-01_version_1.html").write_text("<p>the monitor's report</p>")
    (reports / "forecast_2026-01-01-ab.csv").write_text("Store,forecast\n")
    (home.home / "secret.html").write_text("the secret")
    (reports / "link.html").symlink_to(home.home / "secret.html")
    _happen(journal, home)
    return home


def _happen(journal: Journal, home: Home) -> None:
    journal.record_batch(
        BatchRecord(
            "weather",
            BATCH,
            "/landing/weather/<b>a.csv",
            10,
            NOW,
            BatchState.REJECTED,
            5,
            0,
            0,
            0,
            NOW,
            RUN,
            reasons=("5 of 5 rows are bad",),
            report_uri=f"{home.reports_of('weather')}/{REPORT}",
        )
    )
    journal.record_decision(
        Decision("weather", DecisionKind.GATES, False, ("worse than persistence",), NOW, RUN, "run 1", {"f1": 0.5})
    )
    journal.record_alert(
        DeliveredAlert(
            "weather",
            "critical",
            "it failed",
            "it failed\n\nthe reason\n\nWhat to do: fix it",
            "webhook",
            False,
            NOW,
            RUN,
            error="refused",
        )
    )
    start = datetime(2026, 1, 31, tzinfo=UTC)
    journal.record_window(
        WindowRecord("weather", start, start + timedelta(days=1), WindowState.FAILED, NOW, RUN, reason="store away")
    )


@pytest.fixture(scope="module")
def client(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """Airflow's real web application, with a database of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALMANAC_HOME", str(home.home))
        patch.setenv("ALMANAC_MODELS", str(home.models))
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "ann:viewer,nobody:")
        patch.setenv(
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(tmp_path_factory.mktemp("auth") / "passwords.json")
        )
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret for tests that is long enough for HS512 " * 2)
        from airflow.api_fastapi.app import create_app, purge_cached_app
        from airflow.utils.db import initdb

        initdb()
        purge_cached_app()
        with TestClient(create_app(apps="core"), base_url="http://localhost:8080") as client:
            yield client
        purge_cached_app()


def token(name: str, role: str | None) -> str:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=name, role=role))


def ann(client: TestClient) -> dict[str, str]:
    return {"Authorization": f"Bearer {token('ann', 'viewer')}"}


@pytest.mark.parametrize("page", PAGES)
def test_page_without_login_is_401(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 401
    assert "Please log in" in answer.text
    assert "weather" not in answer.text.split("</style>")[1].split("login")[0]


@pytest.mark.parametrize("page", [page for page in PAGES if page not in OVERVIEWS])
def test_page_without_the_right_is_403(client: TestClient, page: str) -> None:
    answer = client.get(page, headers={"Authorization": f"Bearer {token('nobody', '')}"})
    assert answer.status_code == 403
    assert "You may not read the logs of" in answer.text


@pytest.fixture
def sharing(home: Home) -> Iterator[str]:
    """A second model on the weather's dataset."""
    tree = yaml.safe_load((home.models / "weather.yaml").read_text("utf-8"))
    kept = {key: part for key, part in tree.items() if key not in ("source", "maintenance", "triggers", "pipelines")}
    path = home.models / "port.yaml"
    path.write_text(yaml.safe_dump(kept | {"dataset": {"of": "weather"}}, allow_unicode=True), "utf-8")
    yield "port"
    path.unlink()


def test_pages_of_a_model_that_shares_a_dataset_ask_for_the_owners_and_show_its_batches(
    client: TestClient, sharing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    may = ["ingest_weather"]
    monkeypatch.setattr(
        "almanac_airflow.ui.access.may_read", lambda user, dag_id: asked.append(dag_id) or dag_id in may
    )
    answer = client.get(f"/almanac/models/{sharing}/batches", headers=ann(client))
    assert answer.status_code == 200
    assert set(asked) == {"ingest_weather"}
    assert BATCH[:12] in answer.text
    assert sharing in client.get("/almanac/", headers=ann(client)).text
    assert client.get(f"/almanac/models/{sharing}", headers=ann(client)).status_code == 200
    may.clear()
    refused = client.get(f"/almanac/models/{sharing}/batches", headers=ann(client))
    assert refused.status_code == 403
    assert "weather" not in refused.text  # who may not see it is not told whose dataset it is


@pytest.mark.parametrize("page", ["/almanac/", "/almanac/search?q=a.csv", "/almanac/journal"])
def test_overview_without_the_right_shows_no_model(client: TestClient, page: str) -> None:
    answer = client.get(page, headers={"Authorization": f"Bearer {token('nobody', '')}"})
    assert answer.status_code == 200
    assert "weather" not in answer.text


@pytest.mark.parametrize("page", [page for page in PAGES if page != ROWS])
def test_page_is_json_for_who_asks_for_it(client: TestClient, page: str) -> None:
    answer = client.get(page, headers={**ann(client), "Accept": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert isinstance(answer.json(), dict)
    assert answer.json()


def test_refusal_is_json_for_who_asks_for_it(client: TestClient) -> None:
    answer = client.get("/almanac/models/weather", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.json()["status"]) == (401, 401)


def test_json_of_the_start_page_says_what_the_row_says(client: TestClient) -> None:
    data = client.get("/almanac/", headers={**ann(client), "Accept": "application/json"}).json()
    (model,) = data["models"]
    assert (model["name"], model["state"], model["champion"]) == ("weather", "new", None)
    assert "Batch rejected: <b>a.csv (0 of 5 rows published)" in [each["headline"] for each in data["attention"]]


def test_browser_that_also_takes_json_gets_html(client: TestClient) -> None:
    answer = client.get("/almanac/", headers={**ann(client), "Accept": "text/html,application/json;q=0.9"})
    assert answer.text.startswith("<!DOCTYPE html>")


def test_filter_leaves_out_other_models_and_says_so(client: TestClient) -> None:
    page = client.get("/almanac/?owner=nobody", headers=ann(client)).text
    assert "None of the 1 models is like that" in page
    assert "5 of 5 rows are bad" not in page


def test_search_finds_a_batch_by_its_beginning_and_a_file_by_its_name(client: TestClient) -> None:
    for text in (BATCH[:9], "/landing/weather/<b>a.csv"):
        page = client.get("/almanac/search", params={"q": text}, headers=ann(client)).text
        assert f'href="/almanac/models/weather/batches/{BATCH[:12]}"' in page
        assert "&lt;b&gt;a.csv: rejected" in page


@pytest.mark.parametrize("page", PAGES)
def test_page_with_login_is_shown_and_runs_no_script(client: TestClient, page: str) -> None:
    answer = client.get(page, headers=ann(client))
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert "<script" not in answer.text


def test_rows_of_a_report_are_downloaded_and_never_shown(client: TestClient) -> None:
    answer = client.get(ROWS, headers=ann(client))
    assert (answer.text, answer.headers["Content-Disposition"]) == ("Store,forecast\n", "attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_page_takes_the_cookie_of_the_ui(client: TestClient) -> None:
    client.cookies.set("_token", token("ann", "viewer"))
    try:
        assert client.get("/almanac/").status_code == 200
    finally:
        client.cookies.clear()


def test_token_of_another_secret_is_refused(client: TestClient) -> None:
    assert client.get("/almanac/", headers={"Authorization": "Bearer e30.e30.x"}).status_code == 403


def scraper(home: Home, *, models: tuple[str, ...] = ("*",), scope: Scope = "metrics") -> dict[str, str]:
    name = f"scraper{len(Tokens(home.serving).all())}"
    text = Tokens(home.serving).create(
        name, models=models, lasts=timedelta(hours=1), by="ann", now=datetime.now(UTC), scope=scope
    )
    return {"Authorization": f"Bearer {text}"}


def test_metrics_without_login_are_401(client: TestClient) -> None:
    assert client.get("/almanac/metrics").status_code == 401


def test_metrics_are_shown_to_people_as_the_pages_are(client: TestClient) -> None:
    answer = client.get("/almanac/metrics", headers=ann(client))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'almanac_batches_total{model="weather",state="rejected"} 1.0' in answer.text
    assert "almanac_installation_alerts_open" in answer.text


def test_metrics_of_models_that_a_person_may_not_see_are_not_there(client: TestClient) -> None:
    answer = client.get("/almanac/metrics", headers={"Authorization": f"Bearer {token('nobody', '')}"})
    assert answer.status_code == 200
    assert "weather" not in answer.text
    assert "installation" not in answer.text


def test_metrics_take_the_token_of_a_scraper(client: TestClient, home: Home) -> None:
    answer = client.get("/almanac/metrics", headers=scraper(home))
    assert 'almanac_batches_total{model="weather",state="rejected"} 1.0' in answer.text
    assert "almanac_installation_alerts_open" in answer.text


def test_metrics_of_a_token_for_other_models_hold_neither_this_one_nor_the_installation(
    client: TestClient, home: Home
) -> None:
    answer = client.get("/almanac/metrics", headers=scraper(home, models=("tides",)))
    assert answer.status_code == 200
    assert "weather" not in answer.text
    assert "installation" not in answer.text


def test_metrics_refuse_a_token_for_predictions(client: TestClient, home: Home) -> None:
    answer = client.get("/almanac/metrics", headers=scraper(home, scope="predict"))
    assert answer.status_code == 403
    assert "create one with --scope metrics" in answer.text


@pytest.mark.parametrize("kind", ["unknown", "revoked"])
def test_metrics_refuse_a_token_that_is_not_good(client: TestClient, home: Home, kind: str) -> None:
    headers = scraper(home)
    Tokens(home.serving).revoke(Tokens(home.serving).all()[-1].name, now=datetime.now(UTC))
    headers = headers if kind == "revoked" else {"Authorization": "Bearer almanac_unknown"}
    answer = client.get("/almanac/metrics", headers=headers)
    assert answer.status_code == 401
    assert "weather" not in answer.text


def test_token_of_a_scraper_opens_no_page(client: TestClient, home: Home) -> None:
    headers = scraper(home)
    assert client.get("/almanac/", headers=headers).status_code in (401, 403)
    assert client.get("/api/v2/dags", headers=headers).status_code in (401, 403)


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2f..%2fsecret.html",
        "%2e%2e%2fsecret.html",
        "../../secret.html",
        "%2Fetc%2Fpasswd",
        "/etc/passwd",
        "..%5c..%5csecret.html",
        "link.html",
        f"{REPORT.removesuffix('.html')}.validation.json",
        ".hidden.html",
        "a%00.html",
        "file:%2F%2F%2Fetc%2Fpasswd",
        "none.html",
    ],
)
def test_report_by_anything_but_a_name_is_404(client: TestClient, name: str) -> None:
    answer = client.get(f"/almanac/models/weather/reports/{name}", headers=ann(client))
    assert answer.status_code == 404
    assert "the secret" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("model", ["..", "%2e%2e", "no_such_model", "..%2fweather", "Weather"])
def test_unknown_model_is_404(client: TestClient, model: str) -> None:
    assert client.get(f"/almanac/models/{model}/reports", headers=ann(client)).status_code == 404


def test_broken_model_is_named_with_its_problem(client: TestClient, home: Home) -> None:
    broken = home.models / "broken.yaml"
    broken.write_text("nonsense: 1\n", "utf-8")
    try:
        start = client.get("/almanac/", headers=ann(client)).text
        page = client.get("/almanac/models/broken/batches", headers=ann(client))
    finally:
        broken.unlink()
    assert "Models whose YAML cannot be read" in start
    assert "nonsense" in start
    assert page.status_code == 404
    assert "nonsense" in page.text


def test_start_page_says_what_failed_and_why(client: TestClient) -> None:
    page = client.get("/almanac/", headers=ann(client)).text
    assert "Batch rejected: &lt;b&gt;a.csv" in page
    assert "5 of 5 rows are bad" in page
    assert "Alert, critical: it failed" in page
    assert "the reason" in page
    assert "NOT delivered by webhook: refused" in page
    assert "Window failed: 2026-01-31 00:00 to 2026-02-01 00:00 UTC" in page


def test_windows_page_marks_gaps_and_says_how_to_run_them(client: TestClient) -> None:
    page = client.get("/almanac/models/weather/windows", headers=ann(client)).text
    assert '<span class="tag gap">gap</span>' in page
    assert '<span class="tag failed">failed</span>' in page
    assert "store away" in page
    assert "/dags/ingest_weather/runs/manual__2026-01-01T00%3A00%3A00%2B00%3A00" in page
    assert "from <code>" in page
    assert '"dag_id": "window_weather"' in page


def test_windows_page_shows_one_state_when_asked(client: TestClient) -> None:
    page = client.get("/almanac/models/weather/windows?state=failed", headers=ann(client)).text
    assert '<span class="tag failed">failed</span>' in page
    assert '<span class="tag gap">gap</span>' not in page


def test_journal_page_filters_by_kind(client: TestClient) -> None:
    page = client.get("/almanac/journal?kind=gates", headers=ann(client)).text
    assert "Gates refused (run 1)" in page
    assert "worse than persistence" in page
    assert "it failed" not in page


def test_journal_page_of_unknown_kind_is_404(client: TestClient) -> None:
    answer = client.get("/almanac/journal?kind=nonsense", headers=ann(client))
    assert answer.status_code == 404
    assert "expected one of training, gates" in answer.text


def test_run_page_shows_what_the_run_did_worst_first(client: TestClient) -> None:
    page = client.get(
        f"/almanac/run?dag_id=ingest_weather&run_id={RUN.run_id.replace('+', '%2B')}", headers=ann(client)
    )
    assert page.text.index("Batch rejected") < page.text.index("Gates refused")
    assert "by ann" in page.text


def test_run_page_of_a_whole_dag_leads_to_its_journal(client: TestClient) -> None:
    answer = client.get("/almanac/run?dag_id=window_weather&run_id=", headers=ann(client), follow_redirects=False)
    assert answer.headers["location"] == "/almanac/journal?model=weather"


def test_batch_page_shows_the_kept_report_with_navigation(client: TestClient) -> None:
    page = client.get(f"/almanac/models/weather/batches/{BATCH[:12]}", headers=ann(client)).text
    assert "the kept report" in page
    assert f'href="/almanac/models/weather/batches/{BATCH[:12]}/data-docs"' in page


def test_unknown_batch_is_404(client: TestClient) -> None:
    answer = client.get("/almanac/models/weather/batches/ffffffffffff", headers=ann(client))
    assert answer.status_code == 404
    assert "no batch &#39;ffffffffffff&#39; of weather" in answer.text


def test_framed_page_has_no_links_that_the_sandbox_would_refuse(client: TestClient) -> None:
    page = client.get("/almanac/models/weather/windows", headers={**ann(client), "Sec-Fetch-Dest": "iframe"}).text
    assert 'href="/almanac/run?dag_id=ingest_weather' in page
    assert 'href="/dags/' not in page


@pytest.mark.slow  # ruff asks each module of ours for the same, and this the whole process
def test_application_imports_nothing_heavy(client: TestClient) -> None:
    code = (
        "import sys; from almanac_airflow.ui.app import make_app; make_app();"
        "print([name for name in ('polars', 'pandas', 'great_expectations', 'mlflow', 'deltalake', 'sklearn')"
        " if name in sys.modules])"
    )
    path = ":".join([str(Path(__file__).parents[2] / "include"), str(Path(__file__).parents[2] / "plugins")])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    assert done.stdout.splitlines()[-1] == "[]"


def _key(dag_id: str) -> SimpleNamespace:
    return SimpleNamespace(dag_id=dag_id, run_id="manual__1+2", task_id="t", map_index=-1)


def test_run_link_leads_to_the_page_of_the_run() -> None:
    link = RunLink().get_link(None, ti_key=_key("ingest_weather"))
    assert link == "/almanac/run?dag_id=ingest_weather&run_id=manual__1%2B2"


def test_run_link_of_a_dag_of_another_project_is_none() -> None:
    assert RunLink().get_link(None, ti_key=_key("their_own_dag")) == ""


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (
            {"report_uri": "s3://reports/weather/monitor_a.html"},
            "/almanac/models/weather/reports/monitor_a.html",
        ),
        ({"report_uri": ""}, ""),
        ({"rows": 3}, ""),
    ],
)
def test_report_link_is_there_where_a_task_wrote_a_report(
    monkeypatch: pytest.MonkeyPatch, result: dict[str, object], expected: str
) -> None:
    monkeypatch.setattr("almanac_airflow.ui.links._result", lambda ti_key: result)
    assert ReportLink().get_link(None, ti_key=_key("monitor_weather")) == expected


@pytest.mark.parametrize(
    ("dag_id", "expected"),
    [("window_weather", "/almanac/models/weather/windows"), ("ingest_weather", ""), ("check_config", "")],
)
def test_windows_link_is_there_in_the_dags_of_windows(dag_id: str, expected: str) -> None:
    assert WindowsLink().get_link(None, ti_key=_key(dag_id)) == expected


def test_urls_follow_the_path_of_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://example.org/airflow/")
    assert urls().home == "/airflow/almanac/"
    assert urls().airflow_run(RUN).startswith("/airflow/dags/ingest_weather/runs/")
    assert urls(framed=True).airflow_run(RUN) == ""


@pytest.mark.parametrize(
    ("dag_id", "model"),
    [
        ("ingest_a", "a"),
        ("window_a_b", "a_b"),
        ("clock_a_nightly", "a"),
        ("check_config", None),
        ("ingest_c", None),
        ("backup_data_a", "a"),
    ],
)
def test_model_of_dag_is_the_longest_name_that_fits(dag_id: str, model: str | None) -> None:
    from almanac_airflow.ui.access import model_of_dag

    found = model_of_dag(dag_id, [SimpleNamespace(name="a"), SimpleNamespace(name="a_b")])
    assert (found.name if found else None) == model


def test_wrong_logins_are_slowed_and_others_get_in(client: TestClient) -> None:
    def log_in(user: str) -> int:
        return client.post("/auth/token", json={"username": user, "password": "wrong"}).status_code

    assert [log_in("ann") for _ in range(FREE_FAILURES + 1)] == [401] * FREE_FAILURES + [429]
    assert log_in("nobody") == 401
    found = client.post("/auth/token", json={"username": "ann", "password": "wrong"}).headers
    assert 0 < int(found["retry-after"]) <= 60


@pytest.mark.parametrize("page", ["/", "/auth/login", "/api/v2/version", "/almanac/", "/no/such/page"])
def test_every_page_says_who_may_frame_it(client: TestClient, page: str) -> None:
    found = client.get(page).headers
    assert found.get_list("content-security-policy")[0].count("frame-ancestors 'self'") == 1
    assert (found["x-frame-options"], found["x-content-type-options"]) == ("SAMEORIGIN", "nosniff")
    assert found["referrer-policy"] == "same-origin"


def test_pages_of_ours_keep_their_stricter_policy(client: TestClient) -> None:
    from almanac_airflow.ui.responses import HEADERS

    found = client.get("/almanac/").headers.get_list("content-security-policy")
    assert found == [HEADERS["Content-Security-Policy"]]
