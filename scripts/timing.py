"""What the benchmarks measure with: a clock for the parts of a program, and the machine's own speed."""

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
    """Seconds on a clock, when the device has done all it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def gemm_rate(device_spec: DeviceSpec, repeat: int) -> float:
    """FLOP/s of a product of 2048³, or 8192³ on a GPU: the median of several."""
    size = 8192 if device_spec.device.type == "cuda" else 2048
    one, two = (torch.randn(size, size, device=device_spec.device, dtype=device_spec.dtype) for _ in range(2))
    times = []
    for _ in range(repeat + 2):
        started = now(device_spec.device)
        torch.mm(one, two)
        times.append(now(device_spec.device) - started)
    return 2 * size**3 / statistics.median(times[2:])


class PartClock:
    """Where the time goes: every moment since it was made belongs to one part, or to ``rest``.

    Of parts within parts the inner one counts, so that all of them add up to the whole. On a GPU it waits for the
    device where a part begins and ends, which takes time of its own.
    """

    def __init__(self, device: torch.device, rest: str) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device
        self._within = [rest]
        self._handles: list[Any] = []
        self._mark = now(device)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What happens here belongs to the part."""
        self._enter(name)
        yield
        self._leave()

    def watch(self, name: str, *modules: nn.Module | None) -> None:
        """The forward passes of modules, those that are not None, belong to the part."""
        for module in modules:
            if module is not None:
                self._handles.append(module.register_forward_pre_hook(lambda *_: self._enter(name)))
                self._handles.append(module.register_forward_hook(lambda *_: self._leave()))

    def shares(self) -> dict[str, float]:
        """Each part's share of the time until now, the rest included; watches nothing from here on."""
        self._charge()
        for handle in self._handles:
            handle.remove()
        whole = sum(self.seconds.values())
        return {name: spent / whole for name, spent in self.seconds.items()}

    def _enter(self, name: str) -> None:
        self._charge()
        self._within.append(name)

    def _leave(self) -> None:
        self._charge()
        self._within.pop()

    def _charge(self) -> None:
        """Gives the time since the last change to the part that it was spent in."""
        moment = now(self._device)
        self.seconds[self._within[-1]] += moment - self._mark
        self._mark = moment


def print_shares(rows: dict[str, dict[str, float]], names: list[str]) -> None:
    """A Markdown table of shares, a line for each of ``rows``."""
    print(f"| | {' | '.join(names)} |\n|{'---|' * (1 + len(names))}")
    for title, shares in rows.items():
        print(f"| {title} | " + " | ".join(f"{shares.get(name, 0):.1%}" for name in names) + " |")
