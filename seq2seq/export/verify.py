"""Whether exported graphs say what torch says."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from seq2seq.errors import Seq2SeqError
from seq2seq.export.graphs import NEXT, parts
from seq2seq.export.onnx_files import example
from seq2seq.model.seq2seq import Seq2Seq

Arrays = dict[str, npt.NDArray[Any]]

# Other rows and other lengths than the exporter saw, among them one alone, the shortest, and much padding.
_LENGTHS = ((1,), (4, 31, 1, 30, 17), (12, 12))
_STEPS = 3
TOLERANCE = 1e-3
"""Of a value, or of 1 where it is smaller. Rounding alone gives about 1e-6, in a model that amplifies it 1e-4."""


class Session:
    """A graph in onnxruntime.

    Args:
        path: the ``.onnx`` file.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        # Each session would keep threads of its own.
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Arrays:
        """Outputs by name."""
        return dict(zip(self._names, self._session.run(None, dict(inputs)), strict=True))


@torch.no_grad()
def largest_difference(model: Seq2Seq, folder: Path, *, reverse_source: bool) -> float:
    """How far the graphs are from torch, as a share of each value, or of 1 where it is smaller.

    Raises:
        Seq2SeqError: further than rounding explains, or of other shapes.
    """
    encoder, step = Session(folder / "encoder.onnx"), Session(folder / "decoder_step.onnx")
    worst = 0.0
    for lengths in _LENGTHS:
        batch, sources = example(model, lengths, reverse_source=reverse_source)
        state = model.decoder.begin(model.encode(batch)[1])
        ours = encoder({name: tensor.numpy() for name, tensor in sources.items()})
        worst = max(worst, _difference(ours, _arrays(parts(state)), lengths))
        for number in range(_STEPS):
            token = (torch.arange(len(lengths)) + number) % model.decoder.output.out_features
            logits, state = model.decoder.step(token, state)
            after = step({"token": token.numpy(), **ours})
            ours |= {name.removesuffix(NEXT): value for name, value in after.items() if name.endswith(NEXT)}
            theirs = {"log_probs": torch.log_softmax(logits, dim=-1), **parts(state)}
            worst = max(worst, _difference({"log_probs": after["log_probs"], **ours}, _arrays(theirs), lengths))
    return worst


def _arrays(tensors: Mapping[str, torch.Tensor]) -> Arrays:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


def _difference(found: Arrays, expected: Arrays, lengths: Sequence[int]) -> float:
    worst = 0.0
    for name, value in expected.items():
        where = f"{name} for {len(lengths)} sources of {', '.join(map(str, lengths))} tokens"
        if found[name].shape != value.shape:
            raise _unfaithful(f"expected {where} to be {value.shape}, found {found[name].shape}")
        gap = np.abs(found[name].astype(np.float64) - value) / np.maximum(np.abs(value), 1)
        # Not "more than": what is no number is no rounding either.
        if not gap.max() <= TOLERANCE:
            raise _unfaithful(f"expected {where} within {TOLERANCE:g} of torch, found {gap.max():.2g} between them")
        worst = max(worst, float(gap.max()))
    return worst


def _unfaithful(what: str) -> Seq2SeqError:
    return Seq2SeqError(
        f"the ONNX files would not say what the model says: {what}; nothing was kept, "
        "try the versions of torch, onnx, onnxscript and onnxruntime in constraints.txt"
    )
