"""Which engine runs a loaded model."""

from typing import Literal, get_args

from seq2seq.device import DeviceSpec
from seq2seq.engines.engine import Engine
from seq2seq.errors import ConfigError, warn_once
from seq2seq.model.seq2seq import Seq2Seq

EngineName = Literal["auto", "torch", "onnx"]


def pick_engine(name: str, model: Seq2Seq, device_spec: DeviceSpec) -> Engine | None:
    """The engine of a model; None: torch.

    ``auto`` is onnxruntime on a CPU in fp32 and int8, as far as it can run the model: it is the fastest there for any
    number of rows (docs/log.md).

    Args:
        name: ``auto``, ``torch`` or ``onnx``.
        model: float32 weights, on the CPU, in evaluation mode.
        device_spec: device and precision.

    Raises:
        ConfigError: no such engine, or it does not run on this device or in this precision.
    """
    if name not in get_args(EngineName):
        raise ConfigError(f"no engine {name!r}: expected {', '.join(get_args(EngineName))}")
    fits = device_spec.device.type == "cpu" and device_spec.precision in ("fp32", "int8")
    if name == "onnx" and not fits:
        found = f"{device_spec.precision} on {device_spec.device}"
        raise ConfigError(f"engine onnx computes in fp32 or int8 on a CPU, found {found}: use --engine torch")
    if name == "torch" or not fits:
        return None
    from seq2seq.engines.onnx_engine import OnnxEngine

    if OnnxEngine.can_run(model):
        return OnnxEngine(model, int8=device_spec.int8)
    if name == "onnx":
        warn_once("engine onnx has no operators for the decoder's cells (peephole, layernorm): torch runs the model")
    return None
