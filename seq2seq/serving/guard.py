"""What every request passes before the application sees it: who may ask, how much, and for how long."""

import asyncio
import hmac
import ipaddress
import sys
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seq2seq.errors import one_line
from seq2seq.serving.metrics import SECONDS, Metrics
from seq2seq.serving.refusal import FAILURE, Refusal
from seq2seq.serving.settings import ServerSettings

SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SAFE = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Refuses what must not reach the application, and bounds the time of what does.

    Args:
        app: the application; its routes' paths label the metrics.
        settings: limits, hosts and origins.
        metrics: where it counts.
    """

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        metrics.counter("seq2seq_requests_total", "Requests by route and status.")
        metrics.histogram("seq2seq_request_seconds", "Time from a request's headers to its response.", SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, always."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._guarded(scope, receive, send_marked)
        except Refusal as refusal:
            if not status:
                await refusal.response()(scope, receive, send_marked)
        except Exception as error:
            # The reason may hold what a user sent, so only its kind is logged, and nothing of it is sent.
            print(f"seq2seq: {scope['method']} failed: {_place(error)}", file=sys.stderr, flush=True)
            if not status:
                await FAILURE.response()(scope, receive, send_marked)
        finally:
            # A path that a client may choose freely is no label.
            route = scope["path"] if "endpoint" in scope and not scope["path_params"] else "other"
            self._metrics.add("seq2seq_requests_total", route=route, status=str(status))
            self._metrics.observe("seq2seq_request_seconds", time.monotonic() - started, route=route)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        check_host(headers.getlist("host"), self._settings.allowed_hosts)
        if scope["method"] not in _SAFE:
            self._check_origin(headers)
        body = await self._body(headers, receive)
        await self._bounded(scope, body, receive, send)

    def _check_origin(self, headers: Headers) -> None:
        """A page of another origin may only ask if its origin is named, even where it could not read the answer.

        Raises:
            Refusal: 403; it is another.
        """
        origin, allowed = headers.get("origin"), self._settings.cors_origins
        if origin is None or origin in allowed or "*" in allowed or urlsplit(origin).netloc == headers.get("host"):
            return
        raise Refusal(403, "this page's origin may not use the server, which can allow it with --cors")

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body.

        Raises:
            Refusal: 413; it is too large. 408; it does not come to its end in time. 400; it breaks off.
        """
        most, body = self._settings.max_body, bytearray()
        length = headers.get("content-length", "0")
        too_large = Refusal(413, f"expected a body of at most {most} bytes, found more", {"Connection": "close"})
        if not length.isdecimal() or int(length) > most:
            raise too_large
        try:
            async with asyncio.timeout(self._settings.timeout):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal(400, "the body broke off")
                    body += message.get("body", b"")
                    if len(body) > most:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            raise Refusal(408, "the body did not arrive in time", {"Connection": "close"}) from None

    async def _bounded(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Runs the application until it has answered, its time is up or the client has gone.

        Raises:
            Refusal: 504; its time is up.
        """
        unread = [{"type": "http.request", "body": body, "more_body": False}]
        gone = asyncio.ensure_future(receive())

        async def receive_body() -> Message:
            return unread.pop() if unread else await asyncio.shield(gone)

        work = asyncio.ensure_future(self._app(scope, receive_body, send))
        try:
            await asyncio.wait({work, gone}, timeout=self._settings.timeout, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
            elif not gone.done():
                raise Refusal(504, "there was no answer in time", {"Connection": "close"})
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


def check_host(hosts: list[str], allowed: tuple[str, ...]) -> None:
    """Refuses names that an attacker's page may have pointed at this machine (DNS rebinding); addresses cannot be.

    Args:
        hosts: values of the header.
        allowed: names that are right, besides localhost.

    Raises:
        Refusal: 421; the header is missing, or names another host.
    """
    host = hosts[0] if len(hosts) == 1 else ""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        name = host.rpartition(":")[0] if ":" in host else host
        if name.lower() not in ("localhost", *(one.lower() for one in allowed)):
            raise Refusal(421, "this is not a name of the server, which can be given with --allow-host") from None


def check_key(settings: ServerSettings, given: str) -> None:
    """Compares a key in constant time.

    Raises:
        Refusal: 403, as LibreTranslate's; it is missing or wrong.
    """
    if settings.api_key and not hmac.compare_digest(given.encode("utf-8", "replace"), settings.api_key.encode()):
        raise Refusal(403, "Invalid API key")


def bearer(headers: Headers) -> str:
    """The key in the header ``Authorization: Bearer KEY``."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    where = f" in {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return one_line(f"{type(error).__name__}{where}")
