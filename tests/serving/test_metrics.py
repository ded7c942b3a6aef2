"""Prometheus's text format."""

import os

from seq2seq.serving.metrics import Metrics

PROCESS = f'process="{os.getpid()}"'


def numbers(metrics: Metrics) -> dict[str, float]:
    lines = [line for line in metrics.text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_buckets_are_cumulative_and_hold_their_bounds() -> None:
    metrics = Metrics()
    metrics.histogram("wait", "Seconds.", (0.5, 2.0))
    for value in (0.1, 0.5, 0.6, 5):
        metrics.observe("wait", value, route="/a")
    labels = f'route="/a",{PROCESS}'
    buckets = {bound: numbers(metrics)[f'wait_bucket{{route="/a",le="{bound}",{PROCESS}}}'] for bound in ("0.5", "2.0")}
    assert buckets == {"0.5": 2, "2.0": 3}
    assert numbers(metrics)[f'wait_bucket{{route="/a",le="+Inf",{PROCESS}}}'] == 4
    assert numbers(metrics)[f"wait_count{{{labels}}}"] == 4
    assert numbers(metrics)[f"wait_sum{{{labels}}}"] == 6.2


def test_counters_add_up_by_label_and_gauges_are_looked_up() -> None:
    metrics, values = Metrics(), [1.0, 7.0]
    metrics.counter("asked", "Requests.")
    metrics.gauge("queue", "Items.", values.pop)
    metrics.add("asked", status="200")
    metrics.add("asked", 2, status="200")
    metrics.add("asked", status="404")
    text = metrics.text()
    assert "# HELP asked Requests.\n# TYPE asked counter\n" in text
    assert f'asked{{status="200",{PROCESS}}} 3\nasked{{status="404",{PROCESS}}} 1\n' in text
    assert f"# TYPE queue gauge\nqueue{{{PROCESS}}} 7\n" in text
    assert f"queue{{{PROCESS}}} 1\n" in metrics.text()
