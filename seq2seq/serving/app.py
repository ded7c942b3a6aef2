"""The application: routes, the page, and the worker's life."""

import asyncio
import mimetypes
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from seq2seq.errors import ConfigError, Seq2SeqError, one_line
from seq2seq.serving.batching import Worker
from seq2seq.serving.guard import Guard, bearer, check_key
from seq2seq.serving.libretranslate import LibreTranslate
from seq2seq.serving.metrics import Metrics
from seq2seq.serving.models import Models, load_models
from seq2seq.serving.openapi import openapi
from seq2seq.serving.refusal import FAILURE, Refusal
from seq2seq.serving.service import Service
from seq2seq.serving.settings import ServerSettings
from seq2seq.serving.v1 import V1

_PAGE = resources.files("seq2seq.serving") / "page"


def build_app(settings: ServerSettings, models: Models) -> ASGIApp:
    """The application; its worker starts when the server does."""
    metrics = Metrics()
    worker = Worker(models, most=settings.max_queue, metrics=metrics)
    service = Service(settings, worker)

    async def describe(request: Request) -> Response:
        return JSONResponse(openapi(settings))

    async def show_metrics(request: Request) -> Response:
        check_key(settings, bearer(request.headers))
        return PlainTextResponse(metrics.text(), media_type="text/plain; version=0.0.4")

    app: ASGIApp = Starlette(
        routes=[
            *V1(service).routes(),
            *LibreTranslate(service).routes(),
            Route("/openapi.json", describe),
            Route("/metrics", show_metrics),
            *_page_routes(),
        ],
        exception_handlers={Refusal: _refused, ConfigError: _impossible, HTTPException: _unknown, Exception: _failed},
        lifespan=lambda app: _life(settings, worker),
    )
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return Guard(app, settings, metrics)


@asynccontextmanager
async def _life(settings: ServerSettings, worker: Worker) -> AsyncIterator[None]:
    """Runs the worker; SIGHUP loads the runs again, and what waits is answered by the new ones."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def begin_reload() -> None:
        reload = loop.create_task(_reload(settings, worker))
        reloads.add(reload)
        reload.add_done_callback(reloads.discard)

    with suppress(ValueError, RuntimeError):  # outside of the main thread, as in tests, there are no signals
        loop.add_signal_handler(signal.SIGHUP, begin_reload)
    worker.start()
    try:
        yield
    finally:
        worker.stop()


async def _reload(settings: ServerSettings, worker: Worker) -> None:
    try:
        worker.models = await asyncio.to_thread(load_models, settings)
    except Seq2SeqError as error:
        print(f"seq2seq: the old models stay: {one_line(error)}", file=sys.stderr, flush=True)
    else:
        print("seq2seq: loaded the models again", file=sys.stderr, flush=True)


def _page_routes() -> list[Route]:
    """The page and its files, read once; there is no path to any other file."""
    routes = []
    for file in _PAGE.iterdir():
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        routes.append(Route(path, _constant(file.read_bytes(), media_type)))
    return routes


def _constant(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return answer


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


async def _impossible(request: Request, error: Exception) -> Response:
    """What a run cannot do with these options."""
    return Refusal(400, one_line(error)).response()


async def _unknown(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Refusal(error.status_code, error.detail, error.headers).response()


async def _failed(request: Request, error: Exception) -> Response:
    """Whatever else is raised; Starlette raises it again, and the guard logs it."""
    return FAILURE.response()
