"""Serves runs until a signal ends it."""

import math
import os
import signal
import socket
import sys
from functools import partial
from types import FrameType

import torch
import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from seq2seq.device import DeviceSpec, tune_process
from seq2seq.errors import ConfigError, warn
from seq2seq.serving.app import build_app
from seq2seq.serving.connection import BoundedConnection
from seq2seq.serving.models import Models, load_models
from seq2seq.serving.settings import ServerSettings

# Seconds until a process that does not answer counts as hung; to import torch can take ten on a busy machine.
_HUNG = 60
# Seconds that a connection stays open for a further request, at most.
_KEEP_ALIVE = 5


def serve(settings: ServerSettings) -> None:
    """Serves the page and the API over HTTP.

    SIGTERM ends it once all requests in hand are answered. SIGHUP loads the runs again.

    Raises:
        Seq2SeqError: a run cannot be loaded, or the address cannot be used.
    """
    with listen(settings) as listening:
        _set_up(settings)
        models = load_models(settings)
        announce(settings, models, listening)
        if settings.workers == 1:
            _run(uvicorn.Server(configure(settings, build_app(settings, models))), listening)
        else:
            # These were loaded to see that they can be; each process has its own.
            del models
            _Workers(configure(settings, partial(_worker_app, settings), factory=True), sockets=[listening]).run()


def listen(settings: ServerSettings) -> socket.socket:
    """A socket that listens on the address.

    Raises:
        ConfigError: it cannot be used.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; choose another --host or --port"
        ) from None
    # Connections inherit it. asyncio sets it only for sockets that were made with a protocol number, and without it an
    # answer's body waits 40 ms for the client to acknowledge its headers.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _set_up(settings: ServerSettings) -> None:
    torch.set_num_threads(settings.threads or max(1, torch.get_num_threads() // settings.workers))
    tune_process(DeviceSpec.pick(settings.device))


def announce(settings: ServerSettings, models: Models, listening: socket.socket) -> None:
    """Says on stderr what is served and where, and warns if anyone may ask."""
    if not settings.is_local and not settings.api_key:
        warn(f"anyone who reaches {settings.host} can use this server: set --api-key, or leave out --host")
    for served in models.values():
        print(f"{served.name}: {served.source or 'pictures'} → {served.target}", file=sys.stderr)
    address, port = listening.getsockname()[:2]
    print(f"serving on http://{f'[{address}]' if ':' in address else address}:{port}", file=sys.stderr, flush=True)


def configure(settings: ServerSettings, app: object, *, factory: bool = False) -> uvicorn.Config:
    """How uvicorn runs the application, or the function that makes it in each process."""
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        factory=factory,
        http=partial(BoundedConnection, settings.timeout),  # type: ignore[arg-type]
        ws="none",
        workers=settings.workers,
        log_config=None,
        log_level="critical",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=min(_KEEP_ALIVE, math.ceil(settings.timeout)),
        timeout_worker_healthcheck=_HUNG,
        timeout_graceful_shutdown=math.ceil(settings.timeout) + _KEEP_ALIVE,
    )


def _worker_app(settings: ServerSettings) -> ASGIApp:
    """The application of one of several processes."""
    _set_up(settings)
    return build_app(settings, load_models(settings))


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    """Runs one process; SIGTERM is a good end, for which uvicorn would leave the signal's status."""

    def end(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    previous = signal.signal(signal.SIGTERM, end)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, previous)


class _Workers(Multiprocess):
    """Several processes that share one socket; uvicorn starts another where one dies."""

    def handle_hup(self) -> None:
        """Each loads the runs again, which takes less than to start others in their place."""
        for process in self.processes:
            if process.pid:
                os.kill(process.pid, signal.SIGHUP)
