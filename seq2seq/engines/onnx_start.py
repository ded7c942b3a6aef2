"""What precedes the first target token, as an ONNX graph: encoder, bridge, memory of attention.

Shapes: ``B`` batch, ``S`` source length, ``D`` directions, ``H`` width of a direction, ``M`` width of the memory.
"""

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from seq2seq.engines.onnx_graph import Graph
from seq2seq.engines.onnx_lstm import write_lstm
from seq2seq.model.attention import AdditiveAttention, Attention, GeneralAttention
from seq2seq.model.bridge import CopyBridge, EveryStepBridge, InitialState, MeanBridge, ProjectBridge
from seq2seq.model.cells import LSTM
from seq2seq.model.decoder import Decoder
from seq2seq.model.encoders import Encoder, RecurrentEncoder
from seq2seq.model.recurrent import BidirectionalLayer


def can_write(encoder: Encoder, decoder: Decoder) -> bool:
    """Whether the encoder has LSTM layers over embeddings, which have 8-bit kernels, and the bridge is known here."""
    return (
        isinstance(encoder, RecurrentEncoder)
        and all(isinstance(cell, LSTM) for layer in encoder.stack.layers for cell in _directions(layer))
        and isinstance(decoder.bridge, CopyBridge | ProjectBridge | MeanBridge | EveryStepBridge)
    )


def start_graph(encoder: Encoder, decoder: Decoder, *, int8: bool) -> bytes:
    """The ONNX file for a batch of sources.

    It takes ``src`` (B, S) and ``lengths`` (B,), of 32 bits, and returns what
    :class:`seq2seq.engines.onnx_state.OnnxState` holds.
    """
    start = _Start(encoder, decoder, int8=int8)
    packed = start.graph.op("Concat", *start.first_state(), axis=1)
    return start.graph.file([packed, *([] if decoder.attention is None else start.attended(decoder.attention))])


class _Start:
    """The graph, in which the encoder is written down."""

    def __init__(self, encoder: Encoder, decoder: Decoder, *, int8: bool) -> None:
        graph = self.graph = Graph(int8=int8)
        self.decoder = decoder
        src = graph.input("src", "B", "S", dtype=TensorProto.INT64)
        self.lengths = graph.input("lengths", "B", dtype=TensorProto.INT32)
        table = graph.constant(encoder.embedding.weight.detach().float() * encoder.embedding.scale)
        inputs = graph.op("Gather", table, graph.op("Transpose", src, perm=[1, 0]))
        self.hidden: list[str] = []
        self.cell: list[str] = []
        for layer, residual in zip(encoder.stack.layers, encoder.stack.residual, strict=True):
            directions = _directions(layer)
            outputs, *final = write_lstm(graph, directions, inputs, lengths=self.lengths)
            outputs = self._side_by_side(outputs, 1, len(directions))
            inputs = graph.op("Add", inputs, outputs) if residual else outputs
            for states, state in zip((self.hidden, self.cell), final, strict=True):
                states.append(self._side_by_side(state, 0, len(directions)))
        self.memory = graph.op("Transpose", inputs, perm=[1, 0, 2])  # (B, S, M)

    def first_state(self) -> list[str]:
        """What a decoder's state packs, as the bridge makes it (:mod:`seq2seq.model.bridge`)."""
        graph = self.graph
        vector: list[str] = []
        match self.decoder.bridge:
            case ProjectBridge() as bridge:
                hidden, cell = (graph.op("Concat", *states, axis=1) for states in (self.hidden, self.cell))
                states = self._initial(bridge.start, hidden, cell)
            case MeanBridge() as bridge:
                mean = self._mean()
                states = self._initial(bridge.start, mean, mean)
            case EveryStepBridge() as bridge:
                vector = [graph.op("Tanh", self._linear(bridge.source_vector, self.hidden[-1]))]
                states = self._initial(bridge.start, *vector, *vector)
            case _:
                states = [*self.hidden, *self.cell]
        if self.decoder.input_feeding:
            rows = graph.op("Concat", graph.op("Shape", self.lengths), graph.constant([1]), axis=0)
            states.append(graph.op("Expand", graph.constant(torch.zeros(1, self.decoder.readout.size)), rows))
        return [*states, *vector]

    def attended(self, attention: Attention) -> list[str]:
        """Keys and values of attention, (B, S, …), and 0 or, at padding, -inf, (B, 1, S)."""
        graph, keys = self.graph, self.memory
        if isinstance(attention, GeneralAttention | AdditiveAttention):
            keys = self._linear(attention.key, keys)
        bias = graph.op("Where", self._real(), self._number(0), self._number(-np.inf))
        # A node of its own for the values, since keys may be the memory too.
        return [keys, graph.op("Identity", self.memory), graph.op("Unsqueeze", bias, graph.constant([1]))]

    def _initial(self, start: InitialState, hidden: str, cell: str) -> list[str]:
        hidden_states = [self.graph.op("Tanh", self._linear(layer, hidden)) for layer in start.hidden]
        return [*hidden_states, *(self._linear(layer, cell) for layer in start.cell)]

    def _linear(self, layer: nn.Module, inputs: str) -> str:
        weight, *bias = layer.parameters()
        return self.graph.exact(inputs, weight, *bias)

    def _mean(self) -> str:
        """The mean of the memory over real positions, (B, M)."""
        graph, last = self.graph, self.graph.constant([1])
        real = graph.op("Unsqueeze", self._real(), graph.constant([2]))
        total = graph.op("ReduceSum", graph.op("Where", real, self.memory, self._number(0)), last, keepdims=0)
        count = graph.op("Cast", graph.op("Unsqueeze", self.lengths, last), to=TensorProto.FLOAT)
        return graph.op("Div", total, count)

    def _real(self) -> str:
        """True at real source positions, (B, S)."""
        graph = self.graph
        width = graph.op("Squeeze", graph.op("Shape", self.memory, start=1, end=2))
        position = graph.op("Range", graph.constant(np.array(0)), width, graph.constant(np.array(1)))
        lengths = graph.op("Cast", self.lengths, to=TensorProto.INT64)
        return graph.op("Less", position, graph.op("Unsqueeze", lengths, graph.constant([1])))

    def _number(self, value: float) -> str:
        return self.graph.constant(np.array(value, dtype=np.float32))

    def _side_by_side(self, values: str, axis: int, directions: int) -> str:
        """Values (…, D, B, H), D being the axis ``axis``, to (…, B, D·H)."""
        graph = self.graph
        if directions == 1:
            return graph.op("Squeeze", values, graph.constant([axis]))
        leading = list(range(axis))
        values = graph.op("Transpose", values, perm=[*leading, axis + 1, axis, axis + 2])
        return graph.op("Reshape", values, graph.constant([*(0 for _ in leading), 0, -1]))


def _directions(layer: nn.Module) -> list[nn.Module]:
    return [layer.forward_cell, layer.backward_cell] if isinstance(layer, BidirectionalLayer) else [layer]
