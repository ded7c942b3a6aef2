"""A model in onnxruntime: fewer and faster calls than torch's on a CPU (docs/log.md).

Shapes: ``N`` sources, ``R`` rows, ``V`` vocabulary.
"""

import copy

import numpy as np
import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import EOS
from seq2seq.engines import onnx_decoder, onnx_loop, onnx_start
from seq2seq.engines.engine import EngineState
from seq2seq.engines.onnx_model import CHUNK, GraphName, Limits, OnnxModel
from seq2seq.engines.onnx_state import MEMORY, OnnxState
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState
from seq2seq.search.history import History
from seq2seq.search.rules import Banned, MinLength, Rules


class OnnxEngine:
    """A model on the CPU.

    Args:
        model: float32 weights, which are copied; encoder and bridge go on running in torch unless both are known to
            :mod:`seq2seq.engines.onnx_start`.
        int8: 8-bit weights for encoder and decoder.

    Attributes:
        starts: whether they are.
    """

    def __init__(self, model: Seq2Seq, *, int8: bool) -> None:
        self._model, self._int8 = model, int8
        self.starts = onnx_start.can_write(model.encoder, model.decoder)
        # The model's own layers may be rounded before the first search. The copies keep them and share their weights.
        weights = {id(parameter): parameter for parameter in model.parameters()}
        self._encoder = copy.deepcopy(model.encoder, weights) if self.starts else None
        self._decoder = copy.deepcopy(model.decoder, weights)
        self.graphs = OnnxModel(self.graph, threads=torch.get_num_threads())

    @staticmethod
    def can_run(model: Seq2Seq) -> bool:
        """Whether every layer of the decoder has operators in ONNX."""
        return onnx_decoder.can_write(model.decoder)

    def graph(self, name: GraphName) -> bytes:
        """The content of an ONNX file; ``start`` only if the engine ``starts``."""
        match name:
            case "start":
                assert self._encoder is not None
                return onnx_start.start_graph(self._encoder, self._decoder, int8=self._int8)
            case "step":
                return onnx_decoder.step_graph(self._decoder, int8=self._int8)
            case "greedy":
                return onnx_loop.greedy_graph(self._decoder, EOS, int8=self._int8)
            case "beam":
                return onnx_loop.beam_graph(self._decoder, EOS, int8=self._int8)

    def encode(self, batch: Batch) -> OnnxState:
        """See :meth:`seq2seq.engines.engine.Engine.encode`."""
        if self.starts:
            return self.graphs.start(batch.src.numpy(), batch.src_lengths.numpy())
        return _state_of(self._model.decoder.read_first_input(self._model.encode(batch)[1]))

    def step(self, token: Tensor, state: EngineState) -> tuple[Tensor, OnnxState]:
        """See :meth:`seq2seq.engines.engine.Engine.step`."""
        assert isinstance(state, OnnxState)
        log_probs, following = self.graphs.step(token.numpy(), state)
        return torch.from_numpy(log_probs), following

    def beam_search(self, state: EngineState, rules: Rules, width: int) -> History | None:
        """See :meth:`seq2seq.engines.engine.Engine.beam_search`."""
        assert isinstance(state, OnnxState)
        limits = _limits_of(rules, self._decoder.output.out_features)
        return None if limits is None or width > CHUNK else self.graphs.search(state, limits, width)


def _state_of(state: DecoderState) -> OnnxState:
    """The same as torch has it."""
    others = [one for one in (state.prev_features, state.source_vector) if one is not None]
    packed = torch.cat([*state.layers.hidden, *state.layers.cell, *others], dim=1)
    by_source = {}
    if (memory := state.memory) is not None:
        bias = torch.zeros(memory.mask.shape).masked_fill(~memory.mask, -torch.inf)
        tensors = memory.keys, memory.values, bias.unsqueeze(1)
        by_source = {name: tensor.contiguous().numpy() for name, tensor in zip(MEMORY, tensors, strict=True)}
    return OnnxState(packed.numpy(), by_source)


def _limits_of(rules: Rules, vocab: int) -> Limits | None:
    """The limits that rules set; None if they are of other kinds."""
    longest = rules.longest.numpy()
    shortest, banned = np.zeros_like(longest), set[int]()
    if rules.prefix is not None:
        return None
    for strike in rules.strikes:
        match strike:
            case Banned(ids) if int(ids.max()) < CHUNK:
                banned.update(ids.tolist())
            case MinLength(least):
                shortest = np.maximum(shortest, least.numpy())
            case _:
                return None
    return Limits.of(shortest.tolist(), longest.tolist(), sorted(banned), vocab)
