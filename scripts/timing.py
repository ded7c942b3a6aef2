"""For the benchmarks: a clock for the parts of a program, and the machine's speed at matrix products."""

import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from seq2seq.device import DeviceSpec


def now(device: torch.device) -> float:
    """Seconds on a clock, after the device has finished its queued work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def gemm_rate(device_spec: DeviceSpec, repeat: int) -> float:
    """FLOP/s of a square matrix product of size 2048, or 8192 on a GPU: the median of ``repeat``."""
    size = 8192 if device_spec.device.type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device_spec.device, dtype=device_spec.dtype) for _ in range(2))
    times = []
    for _ in range(repeat + 2):
        started = now(device_spec.device)
        torch.mm(left, right)
        times.append(now(device_spec.device) - started)
    return 2 * size**3 / statistics.median(times[2:])


class PartClock:
    """Measures the time of each part of a program; all other time since its creation belongs to ``rest``.

    Of nested parts the inner one counts, so the parts add up to the whole. On a GPU it synchronises with the device
    where a part begins and ends, which takes time of its own.
    """

    def __init__(self, device: torch.device, rest: str) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device
        self._stack = [rest]
        self._handles: list[Any] = []
        self._last_change = now(device)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time within the block belongs to the part."""
        self._enter(name)
        yield
        self._leave()

    def watch(self, name: str, *modules: nn.Module | None) -> None:
        """Time in forward passes of the modules belongs to the part; None is skipped."""
        for module in modules:
            if module is not None:
                self._handles.append(module.register_forward_pre_hook(lambda *_: self._enter(name)))
                self._handles.append(module.register_forward_hook(lambda *_: self._leave()))

    def shares(self) -> dict[str, float]:
        """Each part's share of the time until now, the rest included; stops watching modules."""
        self._charge()
        for handle in self._handles:
            handle.remove()
        total = sum(self.seconds.values())
        return {name: seconds / total for name, seconds in self.seconds.items()}

    def _enter(self, name: str) -> None:
        self._charge()
        self._stack.append(name)

    def _leave(self) -> None:
        self._charge()
        self._stack.pop()

    def _charge(self) -> None:
        """Adds the time since the last change to the current part."""
        time_now = now(self._device)
        self.seconds[self._stack[-1]] += time_now - self._last_change
        self._last_change = time_now


def print_shares(rows: dict[str, dict[str, float]], names: list[str]) -> None:
    """Prints a Markdown table of shares, one line for each of ``rows``."""
    print(f"| | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}")
    for title, shares in rows.items():
        print(f"| {title} | " + " | ".join(f"{shares.get(name, 0):.1%}" for name in names) + " |")
