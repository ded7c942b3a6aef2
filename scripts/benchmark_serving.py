"""Speed of the server beside the same sentences translated one by one and in one batch without it.

Each client sends one sentence at a time on a connection it keeps. All are measured in turn, ``--repeat`` times, by
clients in this process on the same machine, and medians printed in a Markdown table. CPU time is that of the process
that translates; unlike the rest it can be compared on a busy machine. Linux only.

    .venv/bin/python scripts/benchmark_serving.py --model runs/tatoeba-en-es --src test.en [--precision fp32 int8]
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from seq2seq.decoding.translator import Translator


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one way to translate all sentences."""

    rate: float
    """Sentences a second."""
    latencies: list[float]
    """Seconds to each answer, sorted."""
    cpu: float
    """CPU seconds for each sentence."""

    def percentile(self, percent: int) -> float:
        """The latency that so many percent do not exceed."""
        return self.latencies[min(len(self.latencies) * percent // 100, len(self.latencies) - 1)]


@dataclass(frozen=True, slots=True)
class Server:
    """A server in a process of its own."""

    process: int
    port: int

    def cpu(self) -> float:
        """CPU seconds that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def running(run: Path, precision: str, threads: int) -> Iterator[Server]:
    """Starts a server, and ends it."""
    options = ["--model", str(run), "--port", "0", "--precision", precision, "--threads", str(threads)]
    process = subprocess.Popen([sys.executable, "-m", "seq2seq", "serve", *options], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr
        port = int(next(line for line in process.stderr if "serving on" in line).rpartition(":")[2])
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait()


def timed(sentences: Sequence[str], translator: Translator, batch: int) -> Measured:
    """Without the server, so many sentences at once."""
    latencies, begun, cpu = [], time.perf_counter(), time.process_time()
    for start in range(0, len(sentences), batch):
        started = time.perf_counter()
        translator.translate(sentences[start : start + batch])
        latencies.append(time.perf_counter() - started)
    used = (time.process_time() - cpu) / len(sentences)
    return Measured(len(sentences) / (time.perf_counter() - begun), sorted(latencies), used)


def served(sentences: Sequence[str], server: Server, clients: int) -> Measured:
    """By the server, asked by so many clients."""

    def ask(part: Sequence[str]) -> list[float]:
        connection, latencies = http.client.HTTPConnection("127.0.0.1", server.port), []
        for sentence in part:
            body = json.dumps({"sentences": [sentence]})
            started = time.perf_counter()
            connection.request("POST", "/v1/translate", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"the server answered {response.status}")
            latencies.append(time.perf_counter() - started)
        connection.close()
        return latencies

    begun, cpu = time.perf_counter(), server.cpu()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(ask, [sentences[start::clients] for start in range(clients)]))
    latencies = sorted(latency for part in parts for latency in part)
    used = (server.cpu() - cpu) / len(sentences)
    return Measured(len(sentences) / (time.perf_counter() - begun), latencies, used)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a trained run")
    parser.add_argument("--src", required=True, type=Path, help="a file of sentences")
    parser.add_argument("--precision", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 8, 64])
    parser.add_argument("--sentences", type=int, default=512, help="a quarter of them for one client (default: 512)")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()

    torch.set_num_threads(options.threads)
    sentences = options.src.read_text(encoding="utf-8").splitlines()[: options.sentences]
    few = sentences[: len(sentences) // 4]
    print(f"{len(sentences)} sentences, {options.threads} threads, load {os.getloadavg()[0]:.1f}\n")
    print("| precision | | sentences/s | p50 ms | p95 ms | p99 ms | CPU ms | rate / one batch | p50 / one by one |")
    print("|---|---|---|---|---|---|---|---|---|")
    for precision in options.precision:
        translator = Translator.load(options.model, device="cpu", precision=precision)
        turns: defaultdict[str, list[Measured]] = defaultdict(list)
        with running(options.model, precision, options.threads) as server:
            for _ in range(options.repeat + 1):
                turns["one by one"].append(timed(few, translator, 1))
                turns["one batch"].append(timed(sentences, translator, len(sentences)))
                for clients in options.clients:
                    turns[f"{clients} clients"].append(served(few if clients == 1 else sentences, server, clients))
        report(precision, {way: measured[1:] for way, measured in turns.items()})  # the first turn warms up


def report(precision: str, turns: dict[str, list[Measured]]) -> None:
    """Prints the medians of all turns, ratios within each turn."""
    for way, measured in turns.items():
        rate = statistics.median(one.rate for one in measured)
        p50, p95, p99 = (
            1000 * statistics.median(one.percentile(percent) for one in measured) for percent in (50, 95, 99)
        )
        cpu = 1000 * statistics.median(one.cpu for one in measured)
        whole = statistics.median(
            one.rate / batch.rate for one, batch in zip(measured, turns["one batch"], strict=True)
        )
        alone = statistics.median(
            one.percentile(50) / single.percentile(50)
            for one, single in zip(measured, turns["one by one"], strict=True)
        )
        figures = f"{rate:.1f} | {p50:.1f} | {p95:.1f} | {p99:.1f} | {cpu:.2f} | {whole:.2f} | {alone:.2f}"
        print(f"| {precision} | {way} | {figures} |")


if __name__ == "__main__":
    main()
