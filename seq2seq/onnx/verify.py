"""Compares exported graphs with torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seq2seq.errors import Seq2SeqError
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.onnx.graphs import NEXT, state_to_tensors
from seq2seq.onnx.onnx_files import example

Arrays = dict[str, npt.NDArray[Any]]

# Other batch sizes and lengths than the exporter's example, among them a single source, length 1 and much padding.
_LENGTHS = ((1,), (4, 31, 1, 30, 17), (12, 12))
_STEPS = 3
TOLERANCE = 1e-3
"""Largest difference / max(|value|, 1). Rounding gives about 1e-6, or 1e-4 in a model that amplifies it."""


class OnnxSession:
    """A graph in onnxruntime.

    Args:
        path: the ``.onnx`` file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # By default each session starts a thread for every core.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """Outputs by name."""
        return dict(zip(self._names, self._session.run(None, dict(inputs)), strict=True))


@torch.no_grad()
def largest_difference(model: Seq2Seq, folder: Path, *, reverse_source: bool) -> float:
    """Largest difference between graphs and torch over random batches, each divided by max(|value|, 1).

    Raises:
        Seq2SeqError: a difference above :data:`TOLERANCE`, or another shape.
    """
    encoder, step = OnnxSession(folder / "encoder.onnx"), OnnxSession(folder / "decoder_step.onnx")
    worst = 0.0
    for lengths in _LENGTHS:
        inputs, batch = example(model, lengths, reverse_source=reverse_source)
        state = model.decoder.read_first_input(model.encode(batch)[1])
        onnx_state = encoder(_to_numpy(inputs))
        worst = max(worst, _difference(onnx_state, _to_numpy(state_to_tensors(state)), lengths))
        for number in range(_STEPS):
            token = (torch.arange(len(lengths)) + number) % model.decoder.output.out_features
            logits, state = model.decoder.step(token, state)
            expected = {"log_probs": torch.log_softmax(logits, dim=-1), **state_to_tensors(state)}
            outputs = step({"token": token.numpy(), **onnx_state})
            onnx_state |= {name.removesuffix(NEXT): value for name, value in outputs.items() if name.endswith(NEXT)}
            outputs = {"log_probs": outputs["log_probs"], **onnx_state}
            worst = max(worst, _difference(outputs, _to_numpy(expected), lengths))
    return worst


def _to_numpy(tensors: Mapping[str, torch.Tensor]) -> Arrays:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _difference(outputs: Arrays, expected: Arrays, lengths: Sequence[int]) -> float:
    worst = 0.0
    for name, value in expected.items():
        where = f"{name} for {len(lengths)} sources of {', '.join(map(str, lengths))} tokens"
        if outputs[name].shape != value.shape:
            raise _mismatch(f"expected {where} to be {value.shape}, found {outputs[name].shape}")
        gap = np.abs(outputs[name].astype(np.float64) - value) / np.maximum(np.abs(value), 1)
        # Not ">": a NaN must fail too.
        if not gap.max() <= TOLERANCE:
            raise _mismatch(f"expected {where} within {TOLERANCE:g} of torch, found {gap.max():.2g} between them")
        worst = max(worst, float(gap.max()))
    return worst


def _mismatch(what: str) -> Seq2SeqError:
    return Seq2SeqError(
        f"the ONNX files do not compute what the model computes: {what}; nothing was kept, "
        "try the versions of torch, onnx, onnxscript and onnxruntime in constraints.txt"
    )
