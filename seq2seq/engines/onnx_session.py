"""onnxruntime's sessions; without importing torch."""

import os
from typing import Any

import numpy.typing as npt
import onnxruntime

Array = npt.NDArray[Any]


def open_session(graph: bytes, threads: int) -> Any:
    """A session for an ONNX file, with so many threads, which yield when they wait."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what it would print comes as an exception too
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run(session: Any, feeds: dict[str, Array]) -> list[Array]:
    """The outputs of a session.

    Raises:
        MemoryError: there is not enough memory.
    """
    try:
        outputs: list[Array] = session.run(None, feeds)
    except Exception as error:  # onnxruntime's classes do not tell this case from others
        if "Failed to allocate memory" in str(error):
            raise MemoryError(str(error).partition("\n")[0]) from None
        raise
    return outputs


def usual_threads() -> int:
    """As many as OpenMP would take: what the environment says, or else one for each CPU that the process may use."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
