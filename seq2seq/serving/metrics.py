"""Counters and histograms, as the text that Prometheus reads.

Each process has its own numbers, told apart by the label ``process``. The loop's thread and the worker's both change
them, a lock for each change.
"""

import os
import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """All numbers of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[str, defaultdict[Labels, float]] = {}
        self._histograms: dict[str, defaultdict[Labels, _Histogram]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._help: dict[str, str] = {}

    def counter(self, name: str, meaning: str) -> None:
        """Declares a number that only grows."""
        self._help[name], self._counters[name] = meaning, defaultdict(float)

    def histogram(self, name: str, meaning: str, bounds: Sequence[float]) -> None:
        """Declares a distribution with the upper bounds of its buckets."""
        self._help[name], self._histograms[name] = meaning, defaultdict(lambda: _Histogram(bounds))

    def gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """Declares a number that is looked up when it is asked for."""
        self._help[name], self._gauges[name] = meaning, value

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Increases a counter."""
        with self._lock:
            self._counters[name][tuple(labels.items())] += amount

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Adds a value to a histogram."""
        with self._lock:
            self._histograms[name][tuple(labels.items())].add(value)

    def text(self) -> str:
        """All numbers in Prometheus's text format, version 0.0.4."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        for name, value in self._gauges.items():
            yield from (*self._head(name, "gauge"), _line(name, (), value()))
        for name, counts in self._counters.items():
            yield from self._head(name, "counter")
            yield from (_line(name, labels, count) for labels, count in counts.items())
        for name, histograms in self._histograms.items():
            yield from self._head(name, "histogram")
            for labels, histogram in histograms.items():
                yield from histogram.lines(name, labels)

    def _head(self, name: str, kind: str) -> tuple[str, str]:
        return f"# HELP {name} {self._help[name]}", f"# TYPE {name} {kind}"


class _Histogram:
    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds, self._counts, self._sum = bounds, [0] * (len(bounds) + 1), 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, labels: Labels) -> Iterator[str]:
        total = 0
        for bound, count in zip((*self._bounds, "+Inf"), self._counts, strict=True):
            total += count
            yield _line(f"{name}_bucket", (*labels, ("le", str(bound))), total)
        yield _line(f"{name}_sum", labels, self._sum)
        yield _line(f"{name}_count", labels, total)


def _line(name: str, labels: Labels, value: float) -> str:
    # No label's value comes from a client, so none needs escaping.
    pairs = ",".join(f'{key}="{text}"' for key, text in (*labels, ("process", str(os.getpid()))))
    return f"{name}{{{pairs}}} {value:.10g}"
