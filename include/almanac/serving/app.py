"""The service's web application: who asks, what is asked, and what is answered or refused."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import AlmanacError
from almanac.extras import extra
from almanac.registry.store import Registry
from almanac.serving.batcher import BusyError
from almanac.serving.engine import NotServedError, PredictionRequest, Reply, StaleError
from almanac.serving.feedback import read_outcomes
from almanac.serving.open_inference import AskedTable, describe_model, describe_server, read_infer, say_infer
from almanac.serving.openapi import describe
from almanac.serving.replies import MAX_BODY_BYTES, as_json, body_of, refuse
from almanac.serving.request_rows import RequestError
from almanac.serving.served_model import ServedModel
from almanac.serving.service import MOST_WAITING, REFRESH_S, WATCH_S, Service
from almanac.serving.tokens import Token

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger(__name__)
_Read = Callable[[Model, bytes, int], AskedTable | str]
_Say = Callable[[Model, AskedTable, Reply], dict[str, object]]


def make_app(service: Service) -> "ASGIApp":
    """The application of a service."""
    with extra("serve", "the service"):
        from starlette.applications import Starlette
        from starlette.requests import Request
        from starlette.routing import Route

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await asyncio.to_thread(service.refresh)
        gc.collect()
        gc.freeze()  # libraries are a million objects that stay: to look them all through again holds up answers
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
    rest = Starlette(
        routes=[
            Route("/live", pages.live),
            Route("/ready", pages.ready),
            Route("/metrics", pages.metrics),
            Route("/openapi.json", pages.openapi),
            Route("/v1/models", pages.models),
            Route("/v1/models/{model}", pages.model),
            Route("/v1/models/{model}/predict", pages.predict, methods=["POST"]),
            Route("/v1/models/{model}/feedback", pages.feedback, methods=["POST"]),
            Route("/v2", pages.server),
            Route("/v2/health/live", pages.live),
            Route("/v2/health/ready", pages.ready),
            Route("/v2/models/{model}", pages.metadata),
            Route("/v2/models/{model}/ready", pages.model_ready),
            Route("/v2/models/{model}/infer", pages.infer, methods=["POST"]),
        ],
        lifespan=lifespan,
    )

    async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
        model = _asked_to_predict(scope)
        if model is None:
            await rest(scope, receive, send)
            return
        # what is asked most is found without the list of routes, which costs as much as the answer
        scope["path_params"] = {"model": model}
        response = await pages.predict(Request(scope, receive))
        await response(scope, receive, send)

    return app


def _asked_to_predict(scope: "Scope") -> str | None:
    """The model of the path `/v1/models/{model}/predict`; None: something else is asked."""
    if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
        return None
    head, _, end = scope["path"].rpartition("/")
    before, _, model = head.rpartition("/")
    return model or None if (before, end) == ("/v1/models", "predict") else None


def create() -> "ASGIApp":
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
        return as_json({"live": True})

    async def ready(self, _request: "Request") -> "Response":
        """Whether every model has something to answer with. Says no names to strangers."""
        ready = all(model.served is not None for model in self._service.models.values())
        return as_json({"ready": ready}, status=200 if ready else 503)

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
        return as_json(describe(mine))

    async def models(self, request: "Request") -> "Response":
        """The models that this caller may ask."""
        from starlette.responses import Response

        if isinstance(found := self._caller(request), Response):
            return found
        return as_json(
            {"models": [_state(model) for name, model in self._service.models.items() if found.is_for(name)]}
        )

    async def model(self, request: "Request") -> "Response":
        """What answers for a model, and what does not work."""
        from starlette.responses import Response

        found = self._allowed(request)
        return found if isinstance(found, Response) else as_json(_state(self._service.models[found[0]]))

    async def predict(self, request: "Request") -> "Response":
        """Answer the rows of a request."""
        return await self._answered(request, _rows_of, _say)

    async def infer(self, request: "Request") -> "Response":
        """The same in the Open Inference Protocol."""
        return await self._answered(request, read_infer, say_infer)

    async def server(self, request: "Request") -> "Response":
        """What the server is."""
        from starlette.responses import Response

        found = self._caller(request)
        return found if isinstance(found, Response) else as_json(describe_server())

    async def metadata(self, request: "Request") -> "Response":
        """The inputs and outputs of a model."""
        from starlette.responses import Response

        if isinstance(found := self._allowed(request), Response):
            return found
        served = self._service.models[found[0]].served
        return as_json(describe_model(self._service.declared[found[0]], served.version if served else None))

    async def model_ready(self, request: "Request") -> "Response":
        """Whether a version of the model answers."""
        from starlette.responses import Response

        if isinstance(found := self._allowed(request), Response):
            return found
        ready = self._service.models[found[0]].served is not None
        return as_json({"name": found[0], "ready": ready}, status=200 if ready else 503)

    async def _answered(self, request: "Request", read: "_Read", say: "_Say") -> "Response":
        from starlette.responses import Response

        found = self._allowed(request)
        if isinstance(found, Response):
            return found
        name, token = found
        began = asyncio.get_running_loop().time()
        response, rows = await self._predict(request, name, token, read, say)
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
        if no := self._too_often(name, token):
            return no
        body = await body_of(request)
        if body is None:
            return refuse(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer outcomes")
        service = self._service
        outcomes = read_outcomes(service.declared[name], body, caller=token.name, now=service.clock())
        if isinstance(outcomes, str):
            return refuse(422, outcomes)
        lost = service.outcomes.lost
        await asyncio.to_thread(service.outcomes.write, name, outcomes, durable=True)
        if service.outcomes.lost > lost:  # nobody waits for a prediction here: better to hear it again
            return refuse(503, "the disk refuses; nothing was recorded", retry_after_s=60)
        return as_json({"model": name, "recorded": len(outcomes)}, status=202)

    def _too_often(self, name: str, token: Token) -> "Response | None":
        """A refusal where the caller has asked as often as it may."""
        wait_s = self._service.limits[name].wait_s(token.name)
        words = f"{token.name} has sent as many requests as it may in a minute (serve.max_requests)"
        return refuse(429, f"{words}; try again in {wait_s} s", retry_after_s=wait_s) if wait_s else None

    async def _predict(
        self, request: "Request", name: str, token: Token, read: "_Read", say: "_Say"
    ) -> "tuple[Response, dict[str, int]]":
        if no := self._too_often(name, token):
            return no, {}
        body = await body_of(request)
        if body is None:
            return refuse(413, f"the body is larger than {MAX_BODY_BYTES} bytes; send fewer rows"), {}
        model = self._service.declared[name]
        asked = read(model, body, self._service.most_rows[name])
        if isinstance(asked, str):
            return refuse(400, asked), {}
        try:
            reply = await self._service.batchers[name].ask(PredictionRequest(asked.rows, token.name))
        except BusyError:
            return refuse(429, f"{MOST_WAITING} requests wait already; try again in a second", retry_after_s=1), {}
        except RequestError as error:
            problems = [vars(problem) for problem in error.problems]
            return refuse(422, str(error), problems=problems), {}
        except (NotServedError, StaleError) as error:
            return refuse(503, str(error), retry_after_s=5), {}
        except AlmanacError as error:
            _log.error("%s: %s", name, error)
            return refuse(500, str(error)), {}
        return as_json(say(model, asked, reply)), reply.rows_by_arm

    def _caller(self, request: "Request") -> "Token | Response":
        """Who asks; a refusal where nobody known does."""
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        token = self._service.tokens.owner(text.strip(), self._service.clock()) if kind.lower() == "bearer" else None
        if token is None:
            words = "expected a header `Authorization: Bearer <token>` with a token that is good: almanac token create"
            return refuse(401, words, headers={"WWW-Authenticate": "Bearer"})
        return token

    def _allowed(self, request: "Request") -> "tuple[str, Token] | Response":
        """The model that is asked and who asks; a model that the caller may not ask is as one that is not there."""
        token = self._caller(request)
        if not isinstance(token, Token):
            return token
        name = request.path_params["model"]
        if name not in self._service.models or not token.is_for(name):
            mine = [known for known in self._service.models if token.is_for(known)]
            return refuse(404, f"no model of this name is served to {token.name}; expected one of {mine}")
        return name, token


def _say(model: Model, _asked: AskedTable, reply: Reply) -> dict[str, object]:
    content: dict[str, object] = {"model": model.name, "version": reply.version, "arm": reply.arm}
    content["predictions"] = reply.answers
    if reply.history is not None:
        content["history"] = reply.history
    return content


def _rows_of(_model: Model, body: bytes, most: int) -> AskedTable | str:
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
    return AskedTable(rows)


def _state(model: ServedModel) -> dict[str, object]:
    served = model.served
    at = None if served is None or served.challenger is None else served.challenger.at
    return {
        "model": model.name,
        "version": None if served is None else served.version,
        "ready": served is not None,
        "quick": served is not None and served.plan is not None,
        "problems": list(model.problems.values()),
        "rollout": None
        if at is None
        else {"id": at.id, "version": at.version, "state": at.state, "step": at.step, "share": at.share},
        "refreshed_at": model.refreshed_at.isoformat() if model.refreshed_at else None,
    }
