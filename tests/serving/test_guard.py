"""Who may ask, how much and for how long; over real sockets."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from web_client import Client

from seq2seq.serving.guard import SECURITY_HEADERS, check_host
from seq2seq.serving.models import Models
from seq2seq.serving.refusal import Refusal

Start = Callable[..., Client]
ASK = {"sentences": ["1 2"]}
# Answers take this many seconds in the slow server.
SLOW = 0.3


@dataclass
class SlowModels(dict):
    """Models that take their time."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)

    def __getitem__(self, name: str) -> object:
        time.sleep(SLOW)
        return super().__getitem__(name)


def raw(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Sends parts with pauses, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break
            time.sleep(pause)
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


@pytest.mark.parametrize("path", ["/", "/health", "/nothing", "/v1/translate", "/metrics", "/openapi.json"])
def test_every_answer_is_locked_down(server: Client, path: str) -> None:
    reply = server.get(path)
    assert {name: reply.headers[name.lower()] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "server" not in reply.headers


def test_the_page_loads_nothing_from_elsewhere(server: Client) -> None:
    page = server.get("/")
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert b"http://" not in page.body
    assert b"https://" not in page.body


@pytest.mark.parametrize("path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/", "/page", "/..", "//etc/passwd"])
def test_no_other_file_and_no_folder_is_shown(server: Client, path: str) -> None:
    reply = server.get(path)
    assert (reply.status, list(reply.json)) == (404, ["error"])


@pytest.mark.parametrize("host", ["localhost", "localhost:80", "127.0.0.1:9", "[::1]:9", "10.0.0.1", "Good.org:80"])
def test_hosts_that_may_be_asked_for(host: str) -> None:
    check_host([host], ("good.org",))


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["evil.com"],
        ["a.good.org"],
        ["good.org.evil.com"],
        ["localhost", "evil.com"],
        ["1.2.3.4.evil.com"],
        [""],
        ["[::1"],
    ],
)
def test_other_hosts_are_refused(hosts: list[str]) -> None:
    with pytest.raises(Refusal) as caught:
        check_host(hosts, ("good.org",))
    assert caught.value.status == 421


def test_a_rebound_name_gets_nothing(server: Client) -> None:
    assert server.post("/v1/translate", ASK, Host="evil.com").status == 421
    assert server.get("/", Host="evil.com").status == 421


def test_pages_of_other_origins_may_not_ask(server: Client) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert server.post("/v1/translate", ASK, Origin=own).status == 200
    for origin in ("http://evil.com", "null", "http://127.0.0.1:1"):
        assert server.post("/v1/translate", ASK, Origin=origin).status == 403
    assert "access-control-allow-origin" not in server.get("/health", Origin="http://evil.com").headers


def test_origins_that_are_named_may_ask(start: Start) -> None:
    server = start(cors_origins=("https://good.org",))
    reply = server.post("/v1/translate", ASK, Origin="https://good.org")
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "https://good.org")
    preflight = {"Origin": "https://good.org", "Access-Control-Request-Method": "POST"}
    asked = server.ask(
        "OPTIONS", "/v1/translate", headers=preflight | {"Access-Control-Request-Headers": "content-type"}
    )
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (200, "https://good.org")
    assert server.post("/v1/translate", ASK, Origin="https://evil.com").status == 403


def test_a_key_is_needed_for_all_that_costs_or_tells(start: Start) -> None:
    server = start(api_key="secret")
    libre = {"q": "1", "source": "en", "target": "es"}
    bodies = {"/v1/translate": ASK, "/v1/score": {}, "/v1/caption": {}, "/translate": libre, "/detect": {"q": "1"}}
    bodies |= dict.fromkeys(["/v1/models", "/v1/models/en-es/card", "/metrics"])
    for path, body in bodies.items():
        method = "GET" if body is None else "POST"
        for wrong in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic secret"}):
            reply = server.ask(method, path, body, wrong)
            assert (reply.status, reply.json) == (403, {"error": "Invalid API key"}), path
        assert server.ask(method, path, body, {"Authorization": "Bearer secret"}).status != 403


def test_large_bodies_are_refused_before_they_are_read(start: Start) -> None:
    server = start(max_body=1000)
    head = b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\n"
    announced = raw(server.port, head + b"Content-Length: 1001\r\n\r\n")
    assert b" 413 " in announced.partition(b"\r\n")[0]
    assert b'{"error":"expected a body of at most 1000 bytes, found more"}' in announced
    chunk = b"190\r\n" + b"x" * 400 + b"\r\n"
    assert b" 413 " in raw(server.port, head + b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, chunk)
    assert server.post("/v1/translate", ASK).status == 200


def test_clients_that_stall_are_shut_out(start: Start) -> None:
    """Slow-loris: neither headers nor a body may trickle for ever; others are served meanwhile."""
    server = start(timeout=1.0)
    started = time.monotonic()
    trickle = [b"GET / HTTP/1.1\r\nHost: localhost\r\n"] + [b"X: y\r\n"] * 100
    assert raw(server.port, *trickle, pause=0.02) == b""
    assert time.monotonic() - started < 5
    head = b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    assert b" 408 " in raw(server.port, head, *[b"x"] * 80, pause=0.02)
    assert raw(server.port) == b""
    assert server.post("/v1/translate", ASK).status == 200


def test_a_client_that_does_not_read_is_shut_out(start: Start) -> None:
    server = start(timeout=0.5)
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2000

    def write_only(connection: socket.socket) -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with suppress(TimeoutError):  # once the server has as many answers in its buffers as it takes
                connection.sendall(request)

    with socket.create_connection(("127.0.0.1", server.port), timeout=1) as connection, pytest.raises(ConnectionError):
        write_only(connection)
    assert server.post("/v1/translate", ASK).status == 200


def test_idle_connections_are_closed(start: Start) -> None:
    server = start(timeout=0.5)
    started = time.monotonic()
    assert b"200 OK" in raw(server.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert time.monotonic() - started < 5


def test_an_answer_that_takes_too_long_is_refused_and_the_work_dropped(start: Start, models: Models) -> None:
    server = start(models=SlowModels(models), timeout=SLOW / 2)
    reply = server.post("/v1/translate", {"sentences": ["1"] * 50})
    assert (reply.status, reply.json) == (504, {"error": "there was no answer in time"})
    time.sleep(SLOW * 4)
    assert " 0\n" in next(
        line + "\n" for line in server.get("/metrics").body.decode().splitlines() if line.startswith("seq2seq_queue")
    )


def test_a_full_queue_says_when_to_come_again(start: Start) -> None:
    server = start(max_queue=10)
    reply = server.post("/v1/translate", {"sentences": ["1"] * 11})
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert server.post("/v1/translate", {"sentences": ["1"] * 10}).status == 200


def test_an_error_of_the_server_tells_no_more(start: Start, models: Models, capfd: pytest.CaptureFixture[str]) -> None:
    class Broken(dict):
        def values(self) -> None:
            raise RuntimeError("a secret")

    server = start(models=Broken(models))
    reply = server.get("/languages")
    server.get("/health")  # the error is logged after its answer, and before another
    assert (reply.status, reply.json) == (500, {"error": "an error of the server"})
    errors = capfd.readouterr().err
    assert "RuntimeError in" in errors
    assert "secret" not in errors
    assert errors.count("\n") == 1


def test_nothing_that_is_asked_is_logged(server: Client, capfd: pytest.CaptureFixture[str]) -> None:
    server.post("/v1/translate", {"sentences": ["12345"]})
    server.post("/v1/translate", {"sentences": ["12345"], "beam": "12345"})
    server.get("/translate?q=12345")
    assert capfd.readouterr().err == ""


def test_requests_are_counted_by_route_and_status(start: Start) -> None:
    server = start()
    server.post("/v1/translate", ASK)
    server.post("/v1/translate", {})
    server.get("/a/path/of/the/clients")
    text = server.get("/metrics").body.decode()
    assert 'seq2seq_requests_total{route="/v1/translate",status="200",' in text
    assert 'seq2seq_requests_total{route="/v1/translate",status="400",' in text
    assert 'seq2seq_requests_total{route="other",status="404",' in text
    assert "clients" not in text
