"""The web application with Almanac's pages. Imported when the first page is asked for, and by the api-server alone."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from almanac.config.home import Home
from almanac.errors import AlmanacError, TransientError
from almanac.journal.journal import Journal
from almanac.pages import news
from almanac.pages.pages import Pages
from almanac.pages.report_files import DATA_FILES, UnknownPageError
from almanac.reporting.templates import NAVIGATION, render
from almanac_airflow.ui import access
from almanac_airflow.ui.paths import urls

log = logging.getLogger(__name__)

# Nothing is run, nothing is fetched from elsewhere, and only Airflow itself may frame a page.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none';"
    " base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}


def make_app() -> FastAPI:
    """Make the application; every route but the error pages asks Airflow for the user and what the user may read."""
    app = FastAPI(title="Almanac", docs_url=None, redoc_url=None, openapi_url=None)
    for path, route in _ROUTES.items():
        app.get(path, response_class=HTMLResponse)(route)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(AlmanacError)(_failed)
    return app


@cache
def _journal(url: str) -> Journal:
    return Journal(url)


def _pages(request: Request) -> Pages:
    home = Home()
    framed = request.headers.get("Sec-Fetch-Dest") in ("iframe", "frame")
    return Pages(home, _journal(home.journal_url), urls(framed=framed), datetime.now(UTC))


PagesDep = Annotated[Pages, Depends(_pages)]


def _start(user: GetUserDep, pages: PagesDep) -> Response:
    problems = access.readable_problems(user, pages.home)
    return _page(pages.start(access.readable_models(user, pages.home), problems))


def _journal_page(user: GetUserDep, pages: PagesDep, model: str = "", kind: str = "") -> Response:
    if kind and kind not in news.KINDS:
        raise HTTPException(404, f"No kind {kind[:50]!r}; expected one of {', '.join(news.KINDS)}.")
    if model:
        access.require_model(user, pages.home, model)
    models = access.readable_models(user, pages.home)
    of_installation = access.may_read(user, "check_config")
    return _page(pages.journal_of(models, model, kind, with_nobodys=of_installation))


def _run(user: GetUserDep, pages: PagesDep, dag_id: str, run_id: str = "") -> Response:
    access.require_dag(user, dag_id)
    model = access.model_of_dag(dag_id, access.readable_models(user, pages.home))
    if not run_id:  # a DAG as a whole
        target = pages.urls.journal(model.name) if model else pages.urls.home
        return RedirectResponse(target, status_code=303, headers=_HEADERS)
    return _page(pages.run(dag_id, run_id, model))


def _backups(user: GetUserDep, pages: PagesDep) -> Response:
    access.require_dag(user, "restore_drill")
    return _page(pages.backups())


def _storage(user: GetUserDep, pages: PagesDep) -> Response:
    access.require_dag(user, "cleanup")
    return _page(pages.storage())


def _batches(user: GetUserDep, pages: PagesDep, model: str, state: str = "") -> Response:
    return _page(pages.batches(access.require_model(user, pages.home, model), state))


def _batch(user: GetUserDep, pages: PagesDep, model: str, batch_id: str) -> Response:
    return _page(pages.batch(access.require_model(user, pages.home, model), batch_id))


def _data_docs(user: GetUserDep, pages: PagesDep, model: str, batch_id: str) -> Response:
    return _page(pages.data_docs(access.require_model(user, pages.home, model), batch_id))


def _reports(user: GetUserDep, pages: PagesDep, model: str, kind: str = "") -> Response:
    return _page(pages.reports(access.require_model(user, pages.home, model), kind))


def _report(user: GetUserDep, pages: PagesDep, model: str, name: str) -> Response:
    declared = access.require_model(user, pages.home, model)
    if not name.endswith(tuple(DATA_FILES)):
        return _page(pages.report(declared, name))
    content, media_type = pages.data_file(declared, name)
    return Response(content, media_type=media_type, headers={**_HEADERS, "Content-Disposition": "attachment"})


def _windows(user: GetUserDep, pages: PagesDep, model: str, state: str = "") -> Response:
    return _page(pages.windows(access.require_model(user, pages.home, model), state))


_ROUTES: dict[str, Callable[..., Any]] = {
    "/": _start,
    "/journal": _journal_page,
    "/run": _run,
    "/backups": _backups,
    "/storage": _storage,
    "/models/{model}/batches": _batches,
    "/models/{model}/batches/{batch_id}": _batch,
    "/models/{model}/batches/{batch_id}/data-docs": _data_docs,
    "/models/{model}/reports": _reports,
    "/models/{model}/reports/{name}": _report,
    "/models/{model}/windows": _windows,
}


async def _refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if status == 401:
        login = get_auth_manager().get_url_login(next_url=str(request.url))
        return _problem(status, "Please log in", "This page is for people who may use Airflow.", login, "Log in")
    title = {403: "Access denied", 404: "Page not found"}.get(status, "The request failed")
    return _problem(status, title, str(detail), urls().home, "All models")


async def _failed(request: Request, error: Exception) -> Response:
    if isinstance(error, UnknownPageError):
        return _problem(404, "Page not found", str(error), urls().home, "All models")
    log.warning("%s: %s", request.url.path, error)
    if isinstance(error, TransientError):
        return _problem(503, "Temporarily unavailable", str(error), str(request.url.path), "Try again")
    return _problem(500, "The request failed", str(error), urls().home, "All models")


def _problem(status: int, title: str, text: str, link: str, label: str) -> Response:
    return _page(render("pages/problem.html.j2", title=title, text=text, link=link, label=label), status)


def _page(text: str, status: int = 200) -> Response:
    return HTMLResponse(text.replace(NAVIGATION, "", 1), status, headers=_HEADERS)
