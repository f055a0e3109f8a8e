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

from almanac.backup.retention.protected import last_installation
from almanac.config.home import Home
from almanac.control.filters import Filters
from almanac.control.metrics import CONTENT_TYPE, render_metrics
from almanac.errors import AlmanacError, TransientError
from almanac.journal.journal import Journal
from almanac.pages import news
from almanac.pages.page import RenderedPage
from almanac.pages.pages import Pages
from almanac.pages.report_files import DATA_FILES, UnknownPageError
from almanac.reporting.templates import render
from almanac_airflow.ui import access
from almanac_airflow.ui.metrics import find_caller, reader_of
from almanac_airflow.ui.paths import urls
from almanac_airflow.ui.responses import HEADERS, PageResponse

log = logging.getLogger(__name__)


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
CallerDep = Annotated[Any, Depends(find_caller)]  # a person, or the token of a scraper


def _start(user: GetUserDep, pages: PagesDep, owner: str = "", tag: str = "", state: str = "") -> Response:
    problems = access.readable_problems(user, pages.home)
    models, chosen = access.readable_declared(user, pages.home), Filters(owner, tag, state)
    of_installation = access.may_read(user, "check_config")
    return PageResponse(pages.start(models, problems, chosen=chosen, of_installation=of_installation))


def _model(user: GetUserDep, pages: PagesDep, model: str) -> Response:
    return PageResponse(pages.model(access.require_declared(user, pages.home, model)))


def _search(user: GetUserDep, pages: PagesDep, q: str = "") -> Response:
    return PageResponse(pages.search(q, access.readable_declared(user, pages.home)))


def _journal_page(user: GetUserDep, pages: PagesDep, model: str = "", kind: str = "") -> Response:
    if kind and kind not in news.KINDS:
        raise HTTPException(404, f"No kind {kind[:50]!r}; expected one of {', '.join(news.KINDS)}.")
    if model:
        access.require_declared(user, pages.home, model)
    models = access.readable_declared(user, pages.home)
    of_installation = access.may_read(user, "check_config")
    return PageResponse(pages.journal_of(models, model, kind, with_nobodys=of_installation))


def _run(user: GetUserDep, pages: PagesDep, dag_id: str, run_id: str = "") -> Response:
    access.require_dag(user, dag_id)
    model = access.model_of_dag(dag_id, access.readable_declared(user, pages.home))
    if not run_id:  # a DAG as a whole
        target = pages.urls.journal(model.name) if model else pages.urls.home
        return RedirectResponse(target, status_code=303, headers=HEADERS)
    return PageResponse(pages.run(dag_id, run_id, model))


def _backups(user: GetUserDep, pages: PagesDep) -> Response:
    access.require_dag(user, "restore_drill")
    return PageResponse(pages.backups())


def _storage(user: GetUserDep, pages: PagesDep) -> Response:
    access.require_dag(user, "cleanup")
    return PageResponse(pages.storage())


def _search_indexes(user: GetUserDep, pages: PagesDep) -> Response:
    access.require_dag(user, "watch_search")
    return PageResponse(pages.search_indexes())


def _metrics(caller: CallerDep, pages: PagesDep) -> Response:
    reader = reader_of(caller, pages.home)
    text = render_metrics(
        reader.models,
        pages.journal,
        pages.now,
        with_installation=reader.of_installation,
        prices=last_installation(pages.home)[0].prices,
    )
    return Response(text, headers={**HEADERS, "Content-Type": CONTENT_TYPE})


def _batches(user: GetUserDep, pages: PagesDep, model: str, state: str = "") -> Response:
    return PageResponse(pages.batches(access.require_owner(user, pages.home, model), state))


def _batch(user: GetUserDep, pages: PagesDep, model: str, batch_id: str) -> Response:
    return PageResponse(pages.batch(access.require_owner(user, pages.home, model), batch_id))


def _data_docs(user: GetUserDep, pages: PagesDep, model: str, batch_id: str) -> Response:
    return PageResponse(pages.data_docs(access.require_owner(user, pages.home, model), batch_id))


def _reports(user: GetUserDep, pages: PagesDep, model: str, kind: str = "") -> Response:
    return PageResponse(pages.reports(access.require_declared(user, pages.home, model), kind))


def _report(user: GetUserDep, pages: PagesDep, model: str, name: str) -> Response:
    declared = access.require_declared(user, pages.home, model)
    if not name.endswith(tuple(DATA_FILES)):
        return PageResponse(pages.report(declared, name))
    content, media_type = pages.data_file(declared, name)
    return Response(content, media_type=media_type, headers={**HEADERS, "Content-Disposition": "attachment"})


def _windows(user: GetUserDep, pages: PagesDep, model: str, state: str = "") -> Response:
    return PageResponse(pages.windows(access.require_declared(user, pages.home, model), state))


def _rollouts(user: GetUserDep, pages: PagesDep, model: str) -> Response:
    return PageResponse(pages.rollouts(access.require_declared(user, pages.home, model)))


_ROUTES: dict[str, Callable[..., Any]] = {
    "/": _start,
    "/journal": _journal_page,
    "/run": _run,
    "/backups": _backups,
    "/storage": _storage,
    "/search-indexes": _search_indexes,
    "/metrics": _metrics,
    "/search": _search,
    "/models/{model}": _model,
    "/models/{model}/batches": _batches,
    "/models/{model}/batches/{batch_id}": _batch,
    "/models/{model}/batches/{batch_id}/data-docs": _data_docs,
    "/models/{model}/reports": _reports,
    "/models/{model}/reports/{name}": _report,
    "/models/{model}/windows": _windows,
    "/models/{model}/rollouts": _rollouts,
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
    html = render("pages/problem.html.j2", title=title, text=text, link=link, label=label)
    return PageResponse(RenderedPage.of(html, {"status": status, "title": title, "text": text}), status)
