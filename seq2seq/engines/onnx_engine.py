"""A model in onnxruntime: fewer and faster calls than torch's on a CPU (docs/log.md).

Shapes: ``N`` sources, ``R`` rows, ``W`` width of the packed state, ``S`` source positions, ``V`` vocabulary.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.engines import onnx_decoder, onnx_encoder
from seq2seq.engines.engine import EngineState
from seq2seq.engines.onnx_graph import Array, run
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState, Encoded, State


@dataclass(frozen=True, slots=True)
class OnnxState:
    """What the graph of a step reads, besides tokens."""

    packed: Array
    """h of all layers, c of all layers, previous features, source vector, side by side, (R, W): selected in one call."""
    by_source: dict[str, Array]
    """The memory of attention: keys and values (N, S, …), and 0 or, at padding, -inf, (N, 1, S)."""

    @property
    def is_loose(self) -> bool:
        """See :attr:`DecoderState.is_loose`."""
        return not self.by_source

    def select(self, rows: Tensor, sources: Tensor | None = None) -> "OnnxState":
        """See :meth:`DecoderState.select`."""
        by_source = self.by_source
        if sources is not None:
            by_source = {name: array.take(sources.numpy(), 0) for name, array in by_source.items()}
        return OnnxState(self.packed.take(rows.numpy(), 0), by_source)

    @classmethod
    def of(cls, state: DecoderState) -> "OnnxState":
        """The same as torch has it."""
        others = [one for one in (state.prev_features, state.source_vector) if one is not None]
        packed = torch.cat([*state.layers.hidden, *state.layers.cell, *others], dim=1)
        by_source = {}
        if (memory := state.memory) is not None:
            bias = torch.zeros(memory.mask.shape).masked_fill(~memory.mask, -torch.inf)
            tensors = {"memory_keys": memory.keys, "memory_values": memory.values, "memory_bias": bias.unsqueeze(1)}
            by_source = {name: tensor.contiguous().numpy() for name, tensor in tensors.items()}
        return cls(packed.numpy(), by_source)


class OnnxEngine:
    """A model on the CPU.

    Args:
        model: float32 weights, which are copied; its bridge goes on running in torch, and its encoder too if it has
            other layers than LSTM ones.
        int8: 8-bit weights for encoder and decoder.
    """

    def __init__(self, model: Seq2Seq, *, int8: bool) -> None:
        self._model = model
        self._step = onnx_decoder.step_session(model.decoder, int8=int8)
        writable = onnx_encoder.can_write(model.encoder)
        self._encoder = onnx_encoder.encoder_session(model.encoder, int8=int8) if writable else None

    @staticmethod
    def can_run(model: Seq2Seq) -> bool:
        """Whether every layer of the decoder has operators in ONNX."""
        return onnx_decoder.can_write(model.decoder)

    def encode(self, batch: Batch) -> OnnxState:
        """See :meth:`seq2seq.engines.engine.Engine.encode`."""
        decoder, encoded = self._model.decoder, self._encode(batch)
        return OnnxState.of(decoder.read_first_input(decoder.start(encoded)))

    def step(self, token: Tensor, state: EngineState) -> tuple[Tensor, OnnxState]:
        """See :meth:`seq2seq.engines.engine.Engine.step`."""
        assert isinstance(state, OnnxState)
        feeds = {"token": token.numpy(), "packed": state.packed} | state.by_source
        log_probs, packed = run(self._step, feeds)
        return torch.from_numpy(log_probs), replace(state, packed=packed)

    def _encode(self, batch: Batch) -> Encoded:
        if self._encoder is None:
            encoded: Encoded = self._model.encoder(batch)
            return encoded
        feeds = {"src": batch.src.numpy(), "lengths": batch.src_lengths.numpy().astype(np.int32)}
        memory, *states = map(torch.from_numpy, run(self._encoder, feeds))
        layers = len(states) // 2
        return Encoded(memory, batch.src_mask, State(tuple(states[:layers]), tuple(states[layers:])))
