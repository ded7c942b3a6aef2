"""A decoder's step as an ONNX graph: the arithmetic of :class:`seq2seq.model.decoder.Decoder` once more.

Shapes: ``N`` sources, ``R`` rows, ``W`` width of the packed state, ``S`` source positions, ``A`` width of the keys,
``M`` of the memory, ``C`` of the source vector, ``V`` vocabulary.
"""

from collections.abc import Sequence

import torch
from onnx import TensorProto
from torch import nn
from torch.nn import functional

from seq2seq.engines.onnx_graph import Graph
from seq2seq.engines.onnx_lstm import write_lstm
from seq2seq.engines.onnx_state import MEMORY
from seq2seq.model.attention import AdditiveAttention, Attention, DotAttention
from seq2seq.model.cells import GRU, LSTM, FusedCell
from seq2seq.model.decoder import Decoder
from seq2seq.model.recurrent import RecurrentStack

# Indices of the gates: torch's i f g o become i f o g, so that one sigmoid covers three neighbours.
_SIGMOIDS_FIRST = (0, 1, 3, 2)


def can_write(decoder: Decoder) -> bool:
    """Whether all its cells are known here; others have no operators in ONNX."""
    return all(isinstance(cell, FusedCell) for cell in [*decoder.bottom.layers, *decoder.upper.layers])


def step_graph(decoder: Decoder, *, int8: bool) -> bytes:
    """The ONNX file of one step.

    It takes ``token`` (R,) and what :class:`seq2seq.engines.onnx_state.OnnxState` holds, and returns
    log-probabilities (R, V) and the new ``packed`` (R, W).
    """
    graph = Graph(int8=int8)
    token, packed = graph.input("token", "R", dtype=TensorProto.INT64), graph.input("packed", "R", packed_size(decoder))
    first = graph.constant([0])
    token, packed = (graph.op("Unsqueeze", one, first) for one in (token, packed))
    outputs = write_step(graph, decoder, token, packed, declare_memory(graph, decoder))
    return graph.file([graph.op("Squeeze", one, first) for one in outputs])


def declare_memory(graph: Graph, decoder: Decoder) -> list[str]:
    """The inputs that attention reads: keys, values and bias; none without attention."""
    if decoder.attention is None:
        return []
    return [graph.input(name, *"NSA") for name in MEMORY]


def packed_size(decoder: Decoder) -> int:
    """W."""
    return sum(_packed_sizes(decoder))


def _packed_sizes(decoder: Decoder) -> list[int]:
    """Widths of what is packed: h of all layers, c of all layers, the previous features, the source vector."""
    cells = [*decoder.bottom.layers, *decoder.upper.layers]
    assert all(isinstance(cell, FusedCell) for cell in cells)
    widths = [cell.kernel.hidden_size for cell in cells]
    with_memory = [width for cell, width in zip(cells, widths, strict=True) if cell.num_states == 2]
    features = [decoder.readout.size] if decoder.input_feeding else []
    vector = [size] if (size := decoder.bridge.source_vector_size) else []
    return [*widths, *with_memory, *features, *vector]


def write_step(
    graph: Graph, decoder: Decoder, token: str, packed: str, memory: Sequence[str], *, multiple: int = 1
) -> list[str]:
    """Writes one step down: a sequence of one token, which is how recurrent operators take it.

    Args:
        graph: where to.
        decoder: its weights are copied.
        token: (1, R).
        packed: (1, R, W).
        memory: as :func:`declare_memory` returns it.
        multiple: tokens that are never found fill the vocabulary up to a multiple of so many.

    Returns:
        Log-probabilities (1, R, V), and the new packed state (1, R, W).
    """
    return _Step(graph, decoder, memory).write(token, packed, multiple)


class _Step:
    """The nodes of one step, with values (1, R, …)."""

    def __init__(self, graph: Graph, decoder: Decoder, memory: Sequence[str]) -> None:
        self.decoder, self.graph, self.memory = decoder, graph, memory
        self.hidden: list[str] = []
        self.cell: list[str] = []

    def write(self, token: str, packed: str, multiple: int) -> list[str]:
        """Phases as in ``Decoder._advance``."""
        graph, decoder = self.graph, self.decoder
        sizes = _packed_sizes(decoder)
        parts = graph.ops(len(sizes), "Split", packed, graph.constant(sizes), axis=2) if len(sizes) > 1 else [packed]
        layers = len(decoder.bottom.layers) + len(decoder.upper.layers)
        vector = [parts.pop()] if decoder.bridge.source_vector_size else []
        prev_features = [parts.pop()] if decoder.input_feeding else []
        self.hidden, self.cell = parts[:layers], parts[layers:]
        # 1. Inputs of the bottom layer.
        missing = -decoder.output.out_features % multiple
        table = functional.pad(decoder.embedding.weight.detach().float() * decoder.embedding.scale, (0, 0, 0, missing))
        embedded = graph.op("Gather", graph.constant(table), token)
        extras = [*vector, embedded] if vector else []
        # 2. Bottom layer.
        outputs = self._stack(decoder.bottom, self._concat([embedded, *vector, *prev_features]), 0, [])
        # 3. Attention.
        context = [] if decoder.attention is None else [self._attend(decoder.attention, outputs)]
        # 4. Upper layers.
        outputs = self._stack(decoder.upper, outputs, 1, context)
        # 5. Readout and output layer.
        features = self._readout([outputs, *extras, *context])
        weight = functional.pad(decoder.output.weight, (0, 0, 0, missing))
        bias = functional.pad(decoder.output.bias, (0, missing), value=-torch.inf)
        log_probs = graph.op("LogSoftmax", graph.linear(features, weight, bias), axis=-1)
        following = [*self.hidden, *self.cell, *([features] if prev_features else []), *vector]
        return [log_probs, self._concat(following)]

    def _readout(self, parts: list[str]) -> str:
        layer = self.decoder.readout.map
        features = self._concat(parts)
        if isinstance(layer, nn.Linear):
            features = self.graph.linear(features, layer.weight)
        return features if len(parts) == 1 else self.graph.op("Tanh", features)

    def _stack(self, stack: RecurrentStack, inputs: str, first: int, context: list[str]) -> str:
        """A stack of layers, the lowest of which is number ``first`` of the decoder; replaces their states."""
        for index, cell in enumerate(stack.layers):
            number, layer_inputs = first + index, self._concat([inputs, *context])
            assert isinstance(cell, FusedCell)
            match cell:
                case LSTM():
                    self.hidden[number], self.cell[number] = self._lstm(
                        cell, layer_inputs, self.hidden[number], self.cell[number]
                    )
                case GRU():
                    self.hidden[number] = self._gru(cell, layer_inputs, self.hidden[number])
                case _:
                    self.hidden[number] = self._rnn(cell, layer_inputs, self.hidden[number])
            outputs = self.hidden[number]
            inputs = self.graph.op("Add", inputs, outputs) if stack.residual[index] else outputs
        return inputs

    def _lstm(self, lstm: LSTM, inputs: str, hidden: str, cell: str) -> tuple[str, str]:
        """The equations of :class:`LSTM`, with one product for inputs and state."""
        graph, width = self.graph, lstm.kernel.hidden_size
        if graph.int8:
            _, hidden, cell = write_lstm(graph, [lstm], inputs, hidden=hidden, cell=cell)
            return hidden, cell
        weight_ih, weight_hh, bias_ih, bias_hh = lstm.kernel.parameters()
        weight, bias = torch.cat([weight_ih, weight_hh], dim=1), bias_ih + bias_hh
        weight, bias = (torch.cat([whole.chunk(4)[gate] for gate in _SIGMOIDS_FIRST]) for whole in (weight, bias))
        gates = graph.linear(self._concat([inputs, hidden]), weight, bias)
        sigmoids, candidate = graph.ops(2, "Split", gates, graph.constant([3 * width, width]), axis=2)
        i, f, o = graph.ops(3, "Split", graph.op("Sigmoid", sigmoids), axis=2, num_outputs=3)
        candidate = graph.op("Mul", i, graph.op("Tanh", candidate))
        cell = graph.op("Add", graph.op("Mul", f, cell), candidate)
        return graph.op("Mul", o, graph.op("Tanh", cell)), cell

    def _gru(self, gru: GRU, inputs: str, hidden: str) -> str:
        """The equations of :class:`GRU`; ``h' = n + z ⊙ (h - n)``."""
        graph, width = self.graph, gru.kernel.hidden_size
        weight_ih, weight_hh, bias_ih, bias_hh = gru.kernel.parameters()
        sizes = graph.constant([2 * width, width])
        from_input = graph.ops(2, "Split", graph.linear(inputs, weight_ih, bias_ih), sizes, axis=2)
        from_hidden = graph.ops(2, "Split", graph.linear(hidden, weight_hh, bias_hh), sizes, axis=2)
        gates = graph.op("Sigmoid", graph.op("Add", from_input[0], from_hidden[0]))
        r, z = graph.ops(2, "Split", gates, axis=2, num_outputs=2)
        candidate = graph.op("Tanh", graph.op("Add", from_input[1], graph.op("Mul", r, from_hidden[1])))
        return graph.op("Add", candidate, graph.op("Mul", z, graph.op("Sub", hidden, candidate)))

    def _rnn(self, rnn: FusedCell, inputs: str, hidden: str) -> str:
        """The equation of :class:`seq2seq.model.cells.RNN`."""
        weight_ih, weight_hh, bias_ih, bias_hh = rnn.kernel.parameters()
        weight = torch.cat([weight_ih, weight_hh], dim=1)
        total = self.graph.linear(self._concat([inputs, hidden]), weight, bias_ih + bias_hh)
        return self.graph.op("Tanh" if rnn.kernel.nonlinearity == "tanh" else "Relu", total)

    def _attend(self, attention: Attention, queries: str) -> str:
        """Contexts (1, R, M) of queries (1, R, Q), as in :meth:`Attention.forward`."""
        graph = self.graph
        keys, values, bias = self.memory
        if isinstance(attention, AdditiveAttention):
            queries = graph.op(
                "Unsqueeze", self._by_source(graph.linear(queries, attention.query.weight), keys), graph.constant([2])
            )
            mixed = graph.op("Tanh", graph.op("Add", queries, graph.op("Unsqueeze", keys, graph.constant([1]))))
            scores = graph.op("MatMul", mixed, graph.constant(attention.score.weight.T))
            scores = graph.op("Squeeze", scores, graph.constant([3]))
        else:
            scale = self._query_size() ** -0.5 if isinstance(attention, DotAttention) else 1.0
            (scores,) = graph.fused(1, "FusedMatMul", self._by_source(queries, keys), keys, transB=1, alpha=scale)
        weights = graph.op("Softmax", graph.op("Add", scores, bias), axis=-1)
        context = graph.op("MatMul", weights, values)  # (N, K, M)
        rows = graph.op("Concat", graph.constant([1, -1]), graph.op("Shape", values, start=2), axis=0)
        return graph.op("Reshape", context, rows)

    def _query_size(self) -> int:
        cell = self.decoder.bottom.layers[-1]
        assert isinstance(cell, FusedCell)
        return cell.kernel.hidden_size

    def _by_source(self, queries: str, keys: str) -> str:
        """Queries (1, R, Q) to those of each source, (N, K, Q)."""
        graph = self.graph
        sources, width = graph.op("Shape", keys, start=0, end=1), graph.op("Shape", keys, start=2)
        return graph.op("Reshape", queries, graph.op("Concat", sources, graph.constant([-1]), width, axis=0))

    def _concat(self, parts: list[str]) -> str:
        return parts[0] if len(parts) == 1 else self.graph.op("Concat", *parts, axis=2)
