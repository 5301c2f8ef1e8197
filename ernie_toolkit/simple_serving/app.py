"""The routes of a service, as an ASGI application."""

import asyncio
import contextlib
import importlib.resources
import json
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing import connection

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ernie_toolkit.errors import ToolkitError
from ernie_toolkit.simple_serving.access import refusal
from ernie_toolkit.simple_serving.batcher import QueueFullError, StoppedError
from ernie_toolkit.simple_serving.budget import BodyTooLargeError, BudgetSpentError, ByteBudget
from ernie_toolkit.simple_serving.connections import Connections, Refusals
from ernie_toolkit.simple_serving.log import ComputedBy
from ernie_toolkit.simple_serving.metrics import CONTENT_TYPE, Metrics
from ernie_toolkit.simple_serving.options import ServingOptions
from ernie_toolkit.simple_serving.service import Service
from ernie_toolkit.tasks import TASKS

logger = logging.getLogger("uvicorn.error")
DISCARDED_BYTES = 64 << 20
LATE_SECONDS = 1.0  # for which a client is heard out whose body did not come in time
CLIENT_GONE = 499  # counted only: there is nobody to send it to
RETRY_SECONDS = "1"
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
PAGE_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/view.js": ("view.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


def error(status: int, reason: str, **headers: str) -> Response:
    """An error as JSON: `{"detail": reason}`.

    Args:
        status: The HTTP status.
        reason: What is wrong and what to do, in one line.
        **headers: Headers of the answer, "_" for "-" in their names.
    """
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse({"detail": reason}, status, shown)


async def disconnected(request: Request) -> None:
    """Return when the client is gone; the body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        continue


class Drained(Response):
    """An error that ends its connection, whose client is heard out: cut off while it sends, it would see no answer.

    What still comes is thrown away.

    Args:
        request: The request.
        answer: The error.
        seconds: How long the client is heard out, for `DISCARDED_BYTES` at most.
    """

    def __init__(self, request: Request, answer: Response, seconds: float) -> None:
        answer.headers["connection"] = "close"
        super().__init__()
        self._request, self._answer, self._seconds = request, answer, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer, then hear the client out."""

        async def send_open(message: Message) -> None:
            await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

        await self._answer(scope, receive, send_open)
        with contextlib.suppress(asyncio.TimeoutError, TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._hear_out(receive), self._seconds)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _hear_out(self, receive: Receive) -> None:
        heard = 0
        while heard < DISCARDED_BYTES:
            message = await receive()
            heard += len(message.get("body", b""))
            if not message.get("more_body", False):
                return


async def respond(service: Service, metrics: Metrics, budget: ByteBudget, request: Request) -> Response:
    """Read a request, answer it, or say why not.

    Args:
        service: Answers it.
        metrics: Counts its texts.
        budget: The bytes that requests may hold.
        request: The request.
    """
    try:
        return await _respond(service, metrics, budget, request)
    except asyncio.CancelledError:
        # uvicorn cancels what is not answered `stop_timeout` seconds after a stop; it would answer 500 itself.
        reason = f"the server stopped before this was computed ({service.options.stop_timeout} s): try again"
        return error(503, reason, retry_after=RETRY_SECONDS, connection="close")


async def _respond(service: Service, metrics: Metrics, budget: ByteBudget, request: Request) -> Response:
    options = service.options
    try:
        if service.full:
            raise QueueFullError
        async with budget.body(request, options.max_body_bytes, options.body_timeout) as body:
            return await _compute(service, metrics, request, body)
    except BodyTooLargeError:
        reason = f"the body has more than {options.max_body_bytes} bytes: send fewer texts at once"
        return Drained(request, error(413, reason), options.body_timeout)
    except BudgetSpentError:
        reason = f"the bodies of all requests have more than {options.max_pending_bytes} bytes: try again"
        return Drained(request, error(503, reason, retry_after=RETRY_SECONDS), options.body_timeout)
    except (asyncio.TimeoutError, TimeoutError):
        reason = f"the body was not there within {options.body_timeout:g} s"
        return Drained(request, error(408, reason), LATE_SECONDS)
    except ClientDisconnect:
        return Response(status_code=CLIENT_GONE)
    except QueueFullError:
        reason = f"the queue is full ({options.queue_size} requests): try again"
        return error(503, reason, retry_after=RETRY_SECONDS)


async def _compute(service: Service, metrics: Metrics, request: Request, body: bytearray) -> Response:
    work = asyncio.ensure_future(service.answer(body))
    gone = asyncio.ensure_future(disconnected(request))
    try:
        with metrics.queue.track_inprogress():
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return Response(status_code=CLIENT_GONE)
        answer, texts = work.result()
    except StoppedError:
        return error(503, "the server is stopping: try again", retry_after=RETRY_SECONDS)
    except ToolkitError as reason:
        return error(422, str(reason))
    except QueueFullError:
        raise
    except Exception:
        logger.exception("a request failed")
        return error(500, "the server failed on this request; its log tells why")
    finally:
        work.cancel()
        gone.cancel()
    metrics.texts.inc(texts)
    return Response(answer, media_type="application/json")


class Measured:
    """An application around another: refuses who may not ask, counts its responses and sets headers on each.

    Args:
        app: The other one.
        options: Who may ask.
        metrics: Counts the responses.
        paths: Paths that are counted by name; the others are counted as "other".
    """

    def __init__(self, app: ASGIApp, options: ServingOptions, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app = app
        self._options = options
        self._metrics = metrics
        self._paths = paths
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def measured_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *self._headers]}
            await send(message)

        path = scope["path"] if scope["path"] in self._paths else "other"
        refused = refusal(self._options, scope["method"], scope["path"], Headers(scope=scope))
        try:
            await (refused or self._app)(scope, receive, measured_send)
        finally:
            self._metrics.requests.labels(path, str(status)).inc()
            self._metrics.seconds.labels(path).observe(time.perf_counter() - started)


def stop_with_parent() -> None:
    """Have this worker stop, as on SIGTERM, when the process that started it ends without a signal."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def create_app(options: ServingOptions) -> ASGIApp:
    """The application of a bundle, loaded and ready.

    Raises:
        ToolkitError: As `open_predictor`.
    """
    limit = options.connections()  # an error before the bundle is opened
    metrics = Metrics()
    service = Service(options, metrics.on_batch, metrics.on_part)
    choice = service.choice
    for taken in service.choices:
        metrics.on_engine(taken.engine, taken.precision)
    budget = ByteBudget(options.max_pending_bytes)

    def on_sweep(connections: int, unsent: int) -> None:
        budget.unsent = unsent
        metrics.connections.set(connections)
        metrics.pending_bytes.set(budget.held + unsent)
        if budget.freed:
            budget.freed = 0
            service.give_memory_back()

    model_path = "/" + TASKS[options.task].service_path

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        stop_with_parent()
        # Now, since uvicorn sets its logs up when the application is made.
        logging.getLogger("uvicorn.access").addFilter(ComputedBy(model_path, f"{choice.engine} {choice.precision}"))
        connections = Connections(limit, Refusals(metrics.on_refusal), on_sweep)
        sys.stderr.write(f"ready: POST {model_path}, {choice}, {options.threads} thread(s)\n")
        with connections.watched():
            yield {"connections": connections, "options": options}
        await asyncio.to_thread(service.close)

    async def not_here(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        reason = f"{request.method} {request.url.path}: {problem.detail}; this server answers POST {model_path}"
        return JSONResponse({"detail": reason}, problem.status_code, problem.headers)

    routes = [*_service_routes(service, metrics, budget, model_path), *_page_routes()]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: not_here})
    # Redirected to a path without its last slash, a request would be sent on to whatever its Host header says.
    app.router.redirect_slashes = False
    paths = frozenset({model_path, "/health", "/ready", "/metrics", "/info", *PAGE_FILES})
    return Measured(app, options, metrics, paths)


def _service_routes(service: Service, metrics: Metrics, budget: ByteBudget, model_path: str) -> list[Route]:
    about = json.dumps(service.description(), ensure_ascii=False).encode()

    async def model(request: Request) -> Response:
        return await respond(service, metrics, budget, request)

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        trouble = service.trouble()
        return error(503, trouble, retry_after=RETRY_SECONDS) if trouble else JSONResponse({"status": "ready"})

    async def metrics_text(_: Request) -> Response:
        return Response(await asyncio.to_thread(metrics.text), headers={"content-type": CONTENT_TYPE})

    async def info(_: Request) -> Response:
        return Response(about, media_type="application/json")

    shown = {"/health": health, "/ready": ready, "/metrics": metrics_text, "/info": info}
    return [Route(model_path, model, methods=["POST"]), *(Route(path, handler) for path, handler in shown.items())]


def _page_routes() -> list[Route]:
    folder = importlib.resources.files("ernie_toolkit.simple_serving") / "page"

    def route(path: str, content: bytes, kind: str) -> Route:
        async def file(_: Request) -> Response:
            return Response(content, headers={"content-type": kind, "cache-control": "no-cache"})

        return Route(path, file)

    return [route(path, (folder / name).read_bytes(), kind) for path, (name, kind) in PAGE_FILES.items()]
