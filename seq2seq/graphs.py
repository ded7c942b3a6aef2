"""CUDA graphs: work on a GPU that is recorded once and then repeated with a single launch.

Recorded work must have fixed shapes, read and write the same tensors every time, and never make the host wait. On a
CPU nothing is recorded: the work itself is called again, so that everything above runs and is tested the same way.
"""

from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakSet

import torch

T = TypeVar("T")


class Recorder:
    """Records work on one device. All its recordings share one pool of memory.

    A recording may overwrite what another one left in the pool, so whatever outlives a repetition must lie in tensors
    that were made before the recording.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._graphs: WeakSet[Any] = WeakSet()  # those that are still in use
        self._pool: Any = None
        self._stream: Any = torch.cuda.Stream(device) if device.type == "cuda" else None

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        """A function that repeats ``work`` and returns its result, the same tensors every time.

        ``work`` is not run by this call. It must have run before, on tensors of the same shapes, so that libraries
        have chosen their kernels and made their workspaces.
        """
        if self.device.type != "cuda":
            return work
        if not self._graphs:  # torch gives a pool up with its last graph
            self._pool = torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        self._graphs.add(graph)
        # Only this thread's calls are checked: another one may pin memory for the next batch meanwhile.
        capture = torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local")
        try:
            # The outer context returns to the current stream even where torch fails to end a broken capture.
            with torch.cuda.stream(torch.cuda.current_stream(self.device)), capture:
                result = work()
        except RuntimeError as error:
            raise (error.__context__ or error) from None  # the error in `work` rather than the one at its end

        def repeat() -> T:
            graph.replay()
            return result

        return repeat
