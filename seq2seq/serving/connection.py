"""uvicorn's HTTP connection with ends to what a client may leave hanging."""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# With a few files beside them, within the usual limit of 1024 open ones.
_MOST_CONNECTIONS = 900


class BoundedConnection(H11Protocol):
    """A connection that ends when a request's headers take longer to come, or a response longer to be read.

    Args:
        seconds: how long.
        uvicorn: what uvicorn gives its own.
    """

    def __init__(self, seconds: float, **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._seconds = seconds
        self._headers: asyncio.TimerHandle | None = None
        self._reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to wait for headers."""
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        self._watch_headers()

    def data_received(self, data: bytes) -> None:
        """Reads, and looks whether headers are whole, or begin."""
        super().data_received(data)
        self._watch_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        super().connection_lost(exc)
        for timer in (self._headers, self._reader):
            if timer:
                timer.cancel()

    def pause_writing(self) -> None:
        """Starts to wait for the client to read."""
        super().pause_writing()
        self._reader = self.loop.call_later(self._seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self._reader:
            self._reader.cancel()

    def _watch_headers(self) -> None:
        """Starts the clock with a request's first byte, or the connection, and stops it when its headers are whole."""
        waits = self.conn.their_state is h11.IDLE
        if waits and self._headers is None:
            self._headers = self.loop.call_later(self._seconds, self.timeout_keep_alive_handler)
        elif not waits and self._headers:
            self._headers.cancel()
            self._headers = None
