"""What precedes the first target token, as an ONNX graph: encoder, bridge, keys of attention.

Shapes: ``B`` batch, ``S`` source length, ``H`` width of a layer, ``M`` width of the memory, ``W`` of the packed state.
"""

from dataclasses import dataclass

import numpy as np
import torch
from onnx import TensorProto
from torch import nn

from seq2seq.engines import onnx_encoder
from seq2seq.engines.onnx_encoder import Written, write_encoder
from seq2seq.engines.onnx_graph import Graph
from seq2seq.model.attention import AdditiveAttention, Attention, GeneralAttention
from seq2seq.model.bridge import CopyBridge, EveryStepBridge, InitialState, MeanBridge, ProjectBridge
from seq2seq.model.decoder import Decoder
from seq2seq.model.encoders import Encoder


def can_write(encoder: Encoder, decoder: Decoder) -> bool:
    """Whether encoder and bridge are known here."""
    bridges = (CopyBridge, ProjectBridge, MeanBridge, EveryStepBridge)
    return onnx_encoder.can_write(encoder) and isinstance(decoder.bridge, bridges)


def start_graph(encoder: Encoder, decoder: Decoder, *, int8: bool) -> bytes:
    """The ONNX file for a batch of sources.

    It takes ``src`` (B, S) and ``lengths`` (B,), of 32 bits, and returns what
    :class:`seq2seq.engines.onnx_state.OnnxState` holds.
    """
    graph = Graph(int8=int8)
    src = graph.input("src", "B", "S", dtype=TensorProto.INT64)
    lengths = graph.input("lengths", "B", dtype=TensorProto.INT32)
    return _Start(graph, decoder, lengths, write_encoder(graph, encoder, src, lengths)).write()


@dataclass(frozen=True, slots=True)
class _Start:
    graph: Graph
    decoder: Decoder
    lengths: str
    encoded: Written

    def write(self) -> bytes:
        graph, packed = self.graph, self._bridge()
        if self.decoder.input_feeding:
            rows = graph.op("Concat", graph.op("Shape", self.lengths), graph.constant([1]), axis=0)
            features = graph.op("Expand", graph.constant(torch.zeros(1, self.decoder.readout.size)), rows)
            # Before the source vector.
            packed.insert(len(packed) - bool(self.decoder.bridge.source_vector_size), features)
        memory = [] if self.decoder.attention is None else self._memory(self.decoder.attention)
        return graph.file([graph.op("Concat", *packed, axis=1), *memory])

    def _bridge(self) -> list[str]:
        """H of all decoder layers, c of all and perhaps a source vector, as in :mod:`seq2seq.model.bridge`."""
        graph, encoded = self.graph, self.encoded
        match self.decoder.bridge:
            case ProjectBridge() as bridge:
                hidden, cell = (graph.op("Concat", *states, axis=1) for states in (encoded.hidden, encoded.cell))
                return self._initial(bridge.start, hidden, cell)
            case MeanBridge() as bridge:
                mean = self._mean()
                return self._initial(bridge.start, mean, mean)
            case EveryStepBridge() as bridge:
                vector = graph.op("Tanh", self._linear(bridge.source_vector, encoded.hidden[-1]))
                return [*self._initial(bridge.start, vector, vector), vector]
            case _:
                return [*encoded.hidden, *encoded.cell]

    def _initial(self, start: InitialState, hidden: str, cell: str) -> list[str]:
        hidden_states = [self.graph.op("Tanh", self._linear(layer, hidden)) for layer in start.hidden]
        return [*hidden_states, *(self._linear(layer, cell) for layer in start.cell)]

    def _linear(self, layer: nn.Module, inputs: str) -> str:
        weight, *bias = layer.parameters()
        return self.graph.exact(inputs, weight, *bias)

    def _mean(self) -> str:
        """The mean of the memory over real positions, (B, M)."""
        graph = self.graph
        zero = graph.constant(np.array(0, dtype=np.float32))
        masked = graph.op("Where", graph.op("Unsqueeze", self._real(), graph.constant([2])), self.encoded.memory, zero)
        total = graph.op("ReduceSum", masked, graph.constant([1]), keepdims=0)
        count = graph.op("Cast", graph.op("Unsqueeze", self.lengths, graph.constant([1])), to=TensorProto.FLOAT)
        return graph.op("Div", total, count)

    def _memory(self, attention: Attention) -> list[str]:
        """Keys and values of attention, (B, S, …), and 0 or, at padding, -inf, (B, 1, S)."""
        graph, keys = self.graph, self.encoded.memory
        if isinstance(attention, GeneralAttention | AdditiveAttention):
            keys = self._linear(attention.key, keys)
        zero, low = (graph.constant(np.array(value, dtype=np.float32)) for value in (0, -np.inf))
        bias = graph.op("Unsqueeze", graph.op("Where", self._real(), zero, low), graph.constant([1]))
        # As a node of its own, since the memory may be the keys too.
        return [keys, graph.op("Identity", self.encoded.memory), bias]

    def _real(self) -> str:
        """True at real source positions, (B, S)."""
        graph = self.graph
        zero, one = (graph.constant(np.array(value, dtype=np.int32)) for value in (0, 1))
        width = graph.op("Cast", graph.op("Shape", self.encoded.memory, start=1, end=2), to=TensorProto.INT32)
        positions = graph.op("Range", zero, graph.op("Squeeze", width), one)
        return graph.op("Less", positions, graph.op("Unsqueeze", self.lengths, graph.constant([1])))
