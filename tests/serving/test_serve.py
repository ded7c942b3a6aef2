"""The command in a process of its own: signals, several processes, bad starts."""

import os
import re
import shutil
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from web_client import Client, running

from seq2seq.cli import main
from seq2seq.engines.onnx_engine import OnnxEngine
from seq2seq.errors import ConfigError
from seq2seq.serving.models import Models, load_models
from seq2seq.serving.serve import announce, listen
from seq2seq.serving.settings import ServerSettings

SENTENCES = [f"{number} {number + 1}" for number in range(40)]


class Asking(threading.Thread):
    """Asks again and again until told to stop; what it got is in ``replies``."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client, self.replies, self.stopped = client, list[dict](), threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.replies.append(self.client.post("/v1/translate", {"sentences": SENTENCES}).json)

    def end(self) -> list[dict]:
        self.stopped.set()
        self.join()
        return self.replies


def texts(reply: dict) -> list[str]:
    return [one["text"] for one in reply["translations"]]


def test_a_term_signal_answers_what_is_in_hand_and_exits_0(runs: tuple[Path, Path]) -> None:
    with running(runs[0]) as server:
        replies = []
        body = {"sentences": SENTENCES * 5}
        threads = [
            threading.Thread(target=lambda: replies.append(server.client.post("/v1/translate", body))) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        while not float(re.search(rb"seq2seq_queue_items\{.*} (.+)", server.client.get("/metrics").body)[1]):
            time.sleep(0.001)
        server.process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert [len(texts(reply.json)) for reply in replies] == [200] * 4
        assert server.end() == (0, "")
        with pytest.raises(ConnectionError):
            server.client.get("/health")


def test_a_hup_signal_loads_new_models_and_loses_no_request(
    runs: tuple[Path, Path], tmp_path: Path, models: Models
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    old = [one.text for one in models["en-es"].predictor.best(SENTENCES)]
    new = [one.text for one in models["es-en"].predictor.best(SENTENCES)]
    with running(run) as server:
        asking = Asking(server.client)
        asking.start()
        while not asking.replies:
            time.sleep(0.01)
        run.rename(tmp_path / "old")
        shutil.copytree(runs[1], run)
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr.readline() == "seq2seq: loaded the models again\n"
        assert texts(server.client.post("/v1/translate", {"sentences": SENTENCES}).json) == new
        assert all(texts(reply) in (old, new) for reply in asking.end())
        (run / "model.safetensors").write_bytes(b"damaged")
        server.process.send_signal(signal.SIGHUP)
        assert "the old models stay" in server.process.stderr.readline()
        assert texts(server.client.post("/v1/translate", {"sentences": SENTENCES}).json) == new


@pytest.mark.slow
def test_several_processes_share_the_work_and_replace_one_that_dies(runs: tuple[Path, Path]) -> None:
    def processes(client: Client, count: int, *, but: bytes = b"") -> set[bytes]:
        """Those that answer, when there are as many."""
        found: set[bytes] = set()
        deadline = time.monotonic() + 120
        while len(found - {but}) < count and time.monotonic() < deadline:
            with suppress(OSError):  # one that was killed had the connection, or none is ready yet
                found.add(re.search(rb'process="(\d+)"', client.get("/metrics").body)[1])
        return found - {but}

    with running(runs[0], options=("--workers", "2")) as server:
        first = processes(server.client, 2)
        assert len(first) == 2
        victim = min(first)
        os.kill(int(victim), signal.SIGKILL)
        assert len(processes(server.client, 2, but=victim)) == 2
        server.process.send_signal(signal.SIGHUP)
        assert server.process.stderr.readline() == "seq2seq: loaded the models again\n"
        server.process.send_signal(signal.SIGTERM)
        status, errors = server.end()
        assert status == 0
        assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "no-such-run"], "no-such-run is not a folder"),
        (["--model", "{run}", "{run}"], "two runs are named 'en-es'"),
        (["--model", "{run}", "--port", "{taken}"], "cannot listen on 127.0.0.1, port {taken}: Address already in use"),
        (["--model", "{run}", "--port", "99999"], "serve.port = 99999"),
        (["--model", "{run}", "--host", "203.0.113.1", "--port", "0"], "cannot listen on 203.0.113.1"),
        (["--model", "{run}", "--host", "no.such.host.invalid"], "cannot listen on no.such.host.invalid"),
        (["--model", "{run}", "--timeout", "0"], "serve.timeout = 0"),
        (["--model", "{run}", "--device", "tpu", "--port", "0"], "device 'tpu' cannot be used"),
        (["--model", "{run}", "--api-key", "é"], "printable ASCII"),
    ],
)
def test_bad_starts_are_one_line(
    runs: tuple[Path, Path], options: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        values = {"run": str(runs[0]), "taken": str(taken.getsockname()[1])}
        assert main(["serve", *(option.format(**values) for option in options)]) == 2
    errors = capsys.readouterr().err
    assert expected.format(**values) in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "warns"), [({}, True), ({"api_key": "secret"}, False), ({"host": "127.0.0.1"}, False)]
)
def test_an_open_door_warns(
    models: Models, settings: dict[str, str], warns: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        announce(ServerSettings(runs=(), **({"host": "0.0.0.0"} | settings)), models, listening)
        port = listening.getsockname()[1]
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("warning: anyone who reaches 0.0.0.0")] == lines[: int(warns)]
    assert lines[int(warns) :] == ["en-es: en → es", "es-en: es → en", f"serving on http://127.0.0.1:{port}"]


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_which_addresses_are_local(host: str, local: bool) -> None:
    assert ServerSettings(runs=(), host=host).is_local == local


def test_no_part_of_an_answer_waits_for_an_acknowledgement() -> None:
    with listen(ServerSettings(runs=(), port=0)) as listening:
        with socket.create_connection(listening.getsockname()):
            accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_every_limit_has_a_range() -> None:
    for name in ("max_body", "max_sentences", "max_characters", "max_queue", "timeout", "workers"):
        with pytest.raises(ConfigError, match=f"serve.{name} = 0"):
            ServerSettings(runs=(), **{name: 0})


def test_no_client_waits_for_what_the_first_search_prepares(runs: tuple[Path, Path]) -> None:
    (served, *_) = load_models(ServerSettings(runs=runs, device="cpu")).values()
    engine = served.predictor.members[0].engine
    assert isinstance(engine, OnnxEngine)
    prepared = engine.graphs.session.cache_info().currsize
    served.predictor.best(["12", "345"])
    assert engine.graphs.session.cache_info().currsize == prepared > 0
