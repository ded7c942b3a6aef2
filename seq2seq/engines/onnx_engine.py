"""A model in onnxruntime: fewer and faster calls than torch's on a CPU (docs/log.md).

Shapes: ``N`` sources, ``R`` rows, ``W`` width of the packed state, ``S`` source positions, ``V`` vocabulary.
"""

import copy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.engines import onnx_decoder, onnx_encoder
from seq2seq.engines.engine import EngineState
from seq2seq.engines.onnx_graph import run
from seq2seq.engines.onnx_search import OnnxSearch
from seq2seq.engines.onnx_state import OnnxState
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import Encoded, State
from seq2seq.search.history import History
from seq2seq.search.rules import Rules


class OnnxEngine:
    """A model on the CPU.

    Args:
        model: float32 weights, which are copied; its bridge goes on running in torch, and its encoder too if it has
            other layers than LSTM ones.
        int8: 8-bit weights for encoder and decoder.
    """

    def __init__(self, model: Seq2Seq, *, int8: bool) -> None:
        self._model, self._int8 = model, int8
        # The model's own layers may be rounded before the first search. The copy keeps them and shares their weights.
        self._decoder = copy.deepcopy(model.decoder, {id(weights): weights for weights in model.decoder.parameters()})
        self._search = OnnxSearch(self._decoder, int8=int8)
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

    def beam_search(self, state: EngineState, rules: Rules, width: int) -> History | None:
        """See :meth:`seq2seq.engines.engine.Engine.beam_search`."""
        assert isinstance(state, OnnxState)
        return self._search.run(state, rules, width)

    @cached_property
    def _step(self) -> Any:
        """Only searches of another kind need it."""
        return onnx_decoder.step_session(self._decoder, int8=self._int8)

    def _encode(self, batch: Batch) -> Encoded:
        if self._encoder is None:
            encoded: Encoded = self._model.encoder(batch)
            return encoded
        feeds = {"src": batch.src.numpy(), "lengths": batch.src_lengths.numpy().astype(np.int32)}
        memory, *states = map(torch.from_numpy, run(self._encoder, feeds))
        layers = len(states) // 2
        return Encoded(memory, batch.src_mask, State(tuple(states[:layers]), tuple(states[layers:])))
