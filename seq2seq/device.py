"""Devices and precisions of computation."""

import contextlib
import ctypes
import os
import platform
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch

from seq2seq.errors import ConfigError

# oneDNN keeps a kernel, with memory of its own, for each shape of matrices, by default for 1024: gigabytes after some
# thousand batches. With fewer, training is no slower (docs/log.md).
_KERNELS = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
_MOST_KERNELS = 64
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """A device and the type in which models compute on it; while they learn, their own weights are float32."""

    device: torch.device
    dtype: torch.dtype
    int8: bool = False
    """Decode with 8-bit copies of the decoder's weights (:mod:`seq2seq.model.quantised`)."""
    layers: tuple[torch.device, ...] = ()
    """Device of each layer; empty: all are on ``device``."""

    @classmethod
    def spread(cls, devices: Sequence[str], precision: str = "auto") -> "DeviceSpec":
        """One device per layer; batches go to the first, which also decides what precision ``auto`` means.

        Raises:
            ConfigError: as :meth:`pick`, or devices of different kinds in half precision.
        """
        first, *others = (cls.pick(device, precision) for device in devices)
        if first.dtype != torch.float32 and any(other.device.type != first.device.type for other in others):
            raise ConfigError(
                f"devices of different kinds ({', '.join(devices)}) have no half precision in common: "
                'set training.precision = "fp32"'
            )
        return replace(first, layers=(first.device, *(other.device for other in others)))

    @classmethod
    def pick(cls, device: str = "auto", precision: str = "auto") -> "DeviceSpec":
        """Resolves ``auto``: CUDA if available; bf16 if the device has it, else fp16 on CUDA, else fp32.

        Raises:
            ConfigError: no such device, or it does not support that precision.
        """
        name = "cuda" if device == "auto" and torch.cuda.is_available() else device.replace("auto", "cpu")
        try:
            torch_device = torch.device(name)
            torch.empty(0, device=torch_device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).partition("\n")[0]
            if reason.startswith("Expected one of"):  # a list of all that torch could be built for
                reason = "torch knows no device of that name"
            raise ConfigError(f"device {device!r} cannot be used: {reason}; use cpu, cuda or auto") from None
        if precision == "auto":
            precision = "bf16" if _has_bf16(torch_device) else "fp16" if torch_device.type == "cuda" else "fp32"
        if precision == "int8" and torch_device.type != "cpu":
            raise ConfigError("precision int8 is for CPUs: use fp16, bf16 or auto on a GPU")
        if precision == "int8":
            return cls(torch_device, torch.bfloat16 if _has_bf16(torch_device) else torch.float32, int8=True)
        if precision == "fp16" and torch_device.type == "cpu":
            raise ConfigError("precision fp16 needs a GPU: use bf16, fp32 or auto on a CPU")
        return cls(torch_device, _DTYPES[precision])

    @property
    def places(self) -> str:
        """Names of all devices, for messages."""
        return " and ".join(dict.fromkeys(map(str, self.layers or [self.device])))

    @property
    def machine(self) -> str:
        """Names of the hardware: ``AMD EPYC, 2 threads``, ``NVIDIA H100``."""
        names = (_gpu(device) if device.type == "cuda" else _cpu() for device in self.layers or [self.device])
        return " and ".join(dict.fromkeys(names))

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16``, ``fp16`` or ``int8``."""
        if self.int8:
            return "int8"
        return next(name for name, dtype in _DTYPES.items() if dtype == self.dtype)


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    """A context in which the convolutions and matrix products of float32 weights run in ``dtype``.

    It is for convolutional networks only: on CUDA it runs recurrent layers in float16, whatever ``dtype`` is.
    """
    # Copies of weights that outlived a call could not be part of a CUDA graph.
    return torch.autocast(device.type, dtype, enabled=dtype in (torch.bfloat16, torch.float16), cache_enabled=False)


def own_device(device: str, local_rank: int) -> str:
    """The device of one of several processes on a machine: of GPUs, each gets its own.

    Args:
        device: ``auto``, ``cpu``, ``cuda``.
        local_rank: index of the process on its machine.

    Raises:
        ConfigError: not enough GPUs.
    """
    if device != "cuda" and not (device == "auto" and torch.cuda.is_available()):
        return device
    gpus = torch.cuda.device_count()
    if local_rank >= gpus:
        raise ConfigError(
            f"process {local_rank} of this machine has no GPU of its own, found {gpus}: "
            f"lower --nproc-per-node to {gpus}, or use --device cpu"
        )
    return f"cuda:{local_rank}"


def gpu_memory(device: torch.device) -> int:
    """Bytes of a GPU's memory; 0 on a CPU."""
    return torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0


def tune_process(device_spec: DeviceSpec) -> None:
    """Settings of the whole process that change no result.

    A CPU becomes faster: glibc keeps freed blocks, because fresh memory for each large temporary costs page faults at
    every step (1.1-1.3x measured). Float32 products go through oneDNN (2x on AMD, same error), except on CPUs with
    AMX, where it would round them to bf16. And it takes less memory, since oneDNN keeps few kernels.
    """
    if device_spec.device.type != "cpu":
        # cuDNN wants a layer's weights in one piece. Ours, cast or with columns for padding, are copied at every call,
        # which is little beside the products.
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        return
    for name in _KERNELS:
        os.environ.setdefault(name, str(_MOST_KERNELS))  # read when the first kernel is made
    # torch's probes of the CPU are private, and absent from some builds.
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    if not amx():
        torch.set_float32_matmul_precision("medium")
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        m_trim_threshold, m_mmap_threshold = -1, -3
        libc.mallopt(m_mmap_threshold, 32 << 20)
        libc.mallopt(m_trim_threshold, 2**31 - 1)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _gpu(device: torch.device) -> str:
    return str(torch.cuda.get_device_name(device))


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as facts:
            name = next(line.partition(":")[2].strip() for line in facts if line.startswith("model name"))
    except (OSError, StopIteration):  # another system than Linux, or another processor than x86
        name = platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{name}, {threads} {'thread' if threads == 1 else 'threads'}"
