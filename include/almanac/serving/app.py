"""The service's web application: who asks, what is asked, and what is answered or refused."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from almanac.config.home import Home
from almanac.errors import AlmanacError
from almanac.extras import extra
from almanac.registry.store import Registry
from almanac.serving.batcher import BusyError
from almanac.serving.engine import NotServedError, PredictionRequest, StaleError
from almanac.serving.feedback import read_outcomes
from almanac.serving.openapi import describe
from almanac.serving.request_rows import RequestError
from almanac.serving.served_model import ServedModel
from almanac.serving.service import MOST_WAITING, REFRESH_S, WATCH_S, Service
from almanac.serving.tokens import Token

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

_log = logging.getLogger(__name__)
MAX_BODY_BYTES = 4_000_000


def make_app(service: Service) -> "Starlette":
    """The application of a service."""
    with extra("serve", "the service"):
        from starlette.applications import Starlette
        from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(service.refresh)
        tasks = [
            asyncio.create_task(_forever(service.refresh, REFRESH_S)),
            asyncio.create_task(_forever(service.watch, WATCH_S)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            service.executor.shutdown()
            await asyncio.to_thread(service.ship)

    pages = _Pages(service)
    return Starlette(
        routes=[
            Route("/live", pages.live),
            Route("/ready", pages.ready),
            Route("/metrics", pages.metrics),
            Route("/openapi.json", pages.openapi),
            Route("/v1/models", pages.models),
            Route("/v1/models/{model}", pages.model),
            Route("/v1/models/{model}/predict", pages.predict, methods=["POST"]),
            Route("/v1/models/{model}/feedback", pages.feedback, methods=["POST"]),
        ],
        lifespan=lifespan,
    )


def create() -> "Starlette":
    """The application of this installation; what uvicorn's processes call."""
    home = Home()
    return make_app(Service(home, Registry.of(home)))


async def _forever(step: Callable[[], None], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await asyncio.to_thread(step)
        except Exception:  # noqa: BLE001 - the next turn may succeed; a service that stops following would serve old versions
            _log.exception("%s failed", getattr(step, "__qualname__", step))


class _Pages:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def live(self, _request: "Request") -> "Response":
        """The process runs. Says nothing else, to anybody."""
        return _json({"live": True})

    async def ready(self, _request: "Request") -> "Response":
        """Whether every model has something to answer with. Says no names to strangers."""
        ready = all(model.served is not None for model in self._service.models.values())
        return _json({"ready": ready}, status=200 if ready else 503)

    async def metrics(self, request: "Request") -> "Response":
        """Figures for Prometheus."""
        from starlette.responses import Response

        if isinstance(found := self._caller(request), Response):
            return found
        content, media_type = self._service.metrics.render(
            self._service.models, self._service.log, self._service.clock()
        )
        return Response(content, media_type=media_type)

    async def openapi(self, request: "Request") -> "Response":
        """What may be asked, for programs: made from the YAML."""
        from starlette.responses import Response

        if isinstance(found := self._caller(request), Response):
            return found
        mine = [model for name, model in self._service.declared.items() if found.is_for(name)]
        return _json(describe(mine))

    async def models(self, request: "Request") -> "Response":
        """The models that this caller may ask."""
        from starlette.responses import Response

        if isinstance(found := self._caller(request), Response):
            return found
        return _json({"models": [_state(model) for name, model in self._service.models.items() if found.is_for(name)]})

    async def model(self, request: "Request") -> "Response":
        """What answers for a model, and what does not work."""
        from starlette.responses import Response

        found = self._allowed(request)
        return found if isinstance(found, Response) else _json(_state(self._service.models[found[0]]))

    async def predict(self, request: "Request") -> "Response":
        """Answer the rows of a request."""
        from starlette.responses import Response

        found = self._allowed(request)
        if isinstance(found, Response):
            return found
        name, token = found
        began = asyncio.get_running_loop().time()
        response, rows = await self._predict(request, name, token)
        seconds = asyncio.get_running_loop().time() - began
        self._service.metrics.count(name, response.status_code, rows=rows, seconds=seconds)
        return response

    async def feedback(self, request: "Request") -> "Response":
        """Take what became of answered rows: on the disk when it answers, in its table soon after."""
        from starlette.responses import Response

        found = self._allowed(request)
        if isinstance(found, Response):
            return found
        name, token = found
        body = await _body(request)
        if body is None:
            return _refused(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer outcomes")
        service = self._service
        outcomes = read_outcomes(service.declared[name], body, caller=token.name, now=service.clock())
        if isinstance(outcomes, str):
            return _refused(422, outcomes)
        lost = service.outcomes.lost
        await asyncio.to_thread(service.outcomes.write, name, outcomes, durable=True)
        if service.outcomes.lost > lost:  # nobody waits for a prediction here: better to hear it again
            return _refused(503, "the disk refuses; nothing was recorded", retry_after_s=60)
        return _json({"model": name, "recorded": len(outcomes)}, status=202)

    async def _predict(self, request: "Request", name: str, token: Token) -> "tuple[Response, dict[str, int]]":
        body = await _body(request)
        if body is None:
            return _refused(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer rows"), {}
        rows = _rows_of(body, self._service.most_rows[name])
        if isinstance(rows, str):
            return _refused(400, rows), {}
        try:
            reply = await self._service.batchers[name].ask(PredictionRequest(rows, token.name))
        except BusyError:
            return _refused(429, f"{MOST_WAITING} requests wait already; try again in a second", retry_after_s=1), {}
        except RequestError as error:
            problems = [vars(problem) for problem in error.problems]
            return _refused(422, str(error), problems=problems), {}
        except (NotServedError, StaleError) as error:
            return _refused(503, str(error), retry_after_s=5), {}
        except AlmanacError as error:
            _log.error("%s: %s", name, error)
            return _refused(500, str(error)), {}
        content: dict[str, object] = {
            "model": name,
            "version": reply.version,
            "arm": reply.arm,
            "predictions": reply.answers,
        }
        if reply.history is not None:
            content["history"] = reply.history
        return _json(content), reply.rows_by_arm

    def _caller(self, request: "Request") -> "Token | Response":
        """Who asks; a refusal where nobody known does."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = self._service.tokens.owner(text.strip(), self._service.clock()) if kind.lower() == "bearer" else None
        if token is None:
            words = "expected a header `Authorization: Bearer <token>` with a token that is good: almanac token create"
            return _refused(401, words, headers={"WWW-Authenticate": "Bearer"})
        return token

    def _allowed(self, request: "Request") -> "tuple[str, Token] | Response":
        """The model that is asked and who asks; a model that the caller may not ask is as one that is not there."""
        token = self._caller(request)
        if not isinstance(token, Token):
            return token
        name = request.path_params["model"]
        if name not in self._service.models or not token.is_for(name):
            mine = [known for known in self._service.models if token.is_for(known)]
            return _refused(404, f"no model of this name is served to {token.name}; expected one of {mine}")
        return name, token


async def _body(request: "Request") -> bytes | None:
    """The body of a request; None: it is too large, and was not read to its end."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return None
        chunks.append(chunk)
    return b"".join(chunks)


def _rows_of(body: bytes, most: int) -> list[dict[str, object]] | str:
    """The rows of a request; a text that says why it is none."""
    import msgspec

    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return f'the body is no JSON: {error}; expected {{"rows": [{{column: value, ...}}]}}'
    rows = content.get("rows") if isinstance(content, dict) and set(content) == {"rows"} else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return 'got another object, expected {"rows": [{column: value, ...}]}'
    if not 1 <= len(rows) <= most:
        return f"got {len(rows)} rows, expected 1 to {most} (serve.max_rows)"
    return rows


def _state(model: ServedModel) -> dict[str, object]:
    served = model.served
    at = None if served is None or served.challenger is None else served.challenger.at
    return {
        "model": model.name,
        "version": None if served is None else served.version,
        "ready": served is not None,
        "problems": list(model.problems.values()),
        "rollout": None
        if at is None
        else {"id": at.id, "version": at.version, "state": at.state, "step": at.step, "share": at.share},
        "refreshed_at": model.refreshed_at.isoformat() if model.refreshed_at else None,
    }


def _refused(
    status: int,
    words: str,
    *,
    problems: list[dict[str, Any]] | None = None,
    retry_after_s: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> "Response":
    content: dict[str, object] = {"error": words}
    if problems:
        content["problems"] = problems
    more = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return _json(content, status=status, headers={**(headers or {}), **more})


def _json(content: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> "Response":
    import msgspec
    from starlette.responses import Response

    return Response(msgspec.json.encode(content), status, headers=headers, media_type="application/json")
