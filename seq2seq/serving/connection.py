"""uvicorn's HTTP connection with ends to what a client may leave hanging."""

import asyncio
from functools import lru_cache

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# With a few files beside them, within the usual limit of 1024 open ones.
_MOST_CONNECTIONS = 900


@lru_cache
def bounded(seconds: float) -> type[H11Protocol]:
    """A connection that ends when headers take longer to come, or a response longer to be read."""
    return type("BoundedProtocol", (_Bounded,), {"seconds": seconds})


class _Bounded(H11Protocol):
    seconds: float
    _headers: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._headers, self._reader):
            if timer:
                timer.cancel()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._reader:
            self._reader.cancel()

    def _watch_headers(self) -> None:
        """Starts the clock with a request's first byte, or the connection, and stops it when its headers are whole."""
        waits = self.conn.their_state is h11.IDLE
        if waits and self._headers is None:
            self._headers = self.loop.call_later(self.seconds, self.timeout_keep_alive_handler)
        elif not waits and self._headers:
            self._headers.cancel()
            self._headers = None
