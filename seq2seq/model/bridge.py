"""Bridges: from the encoder's output to the decoder's initial state.

Shapes: ``B`` batch, ``S`` source length, ``H`` width of a layer, ``M`` width of the memory, ``E`` embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from seq2seq.model.state import Encoded, State


@dataclass(frozen=True, slots=True)
class DecoderInit:
    """What a bridge gives a decoder."""

    state: State
    """Initial recurrent state of all decoder layers, (B, H) each."""
    source_vector: Tensor | None = None
    """The source as a vector that enters every step, (B, C)."""
    first_input: Tensor | None = None
    """The source as an embedding to be read before the first token, (B, E)."""


class CopyBridge(nn.Module):
    """Every decoder layer starts with the final state of the encoder layer of its index (Sutskever et al. 2014)."""

    source_vector_size = 0

    def forward(self, encoded: Encoded) -> DecoderInit:
        """Copies the final state; both stacks have the same widths."""
        return DecoderInit(encoded.final)


class InitialState(nn.Module):
    """Learned initial state of a decoder: ``h_l = tanh(W_l u + b_l)``, ``c_l = V_l v + d_l``.

    c has no tanh, since the memory cell of an LSTM is not bounded.

    Args:
        size: width of u and v.
        widths: H of each decoder layer.
        cells: whether the layers have memory cells.
    """

    def __init__(self, size: int, widths: Sequence[int], *, cells: bool) -> None:
        super().__init__()
        self.hidden = nn.ModuleList(nn.Linear(size, width) for width in widths)
        self.cell = nn.ModuleList(nn.Linear(size, width) for width in widths if cells)

    def forward(self, hidden: Tensor, cell: Tensor) -> State:
        """From u and v, (B, size) each."""
        return State(
            tuple(torch.tanh(layer(hidden)) for layer in self.hidden), tuple(layer(cell) for layer in self.cell)
        )


class ProjectBridge(nn.Module):
    """Learned projection between stacks of any two shapes and cells.

    u and v are the concatenated final h and c of all encoder layers; without memory cells in the encoder both are h.
    """

    source_vector_size = 0

    def __init__(self, encoder_widths: Sequence[int], decoder_widths: Sequence[int], *, cells: bool) -> None:
        super().__init__()
        self.start = InitialState(sum(encoder_widths), decoder_widths, cells=cells)

    def forward(self, encoded: Encoded) -> DecoderInit:
        """Final encoder state to initial decoder state."""
        hidden, cell = encoded.final.hidden, encoded.final.cell or encoded.final.hidden
        return DecoderInit(self.start(torch.cat(hidden, dim=-1), torch.cat(cell, dim=-1)))


class MeanBridge(nn.Module):
    """The decoder starts from the mean of the memory (as Nematus does: Sennrich et al. 2017)."""

    source_vector_size = 0

    def __init__(self, memory_size: int, decoder_widths: Sequence[int], *, cells: bool) -> None:
        super().__init__()
        self.start = InitialState(memory_size, decoder_widths, cells=cells)

    def forward(self, encoded: Encoded) -> DecoderInit:
        """Mean over real positions to initial decoder state."""
        mean = encoded.mean()
        return DecoderInit(self.start(mean, mean))


class EveryStepBridge(nn.Module):
    """One vector starts the decoder and enters each of its steps and outputs (Cho et al. 2014, §2.2, A.1).

    ``s = tanh(V h)``, with h the final state of the top encoder layer. s is concatenated to the embedding at the input
    and, with the embedding, to what the output layer reads. Unlike theirs, the output layer has no maxout.
    """

    def __init__(
        self, encoder_width: int, source_vector_size: int, decoder_widths: Sequence[int], *, cells: bool
    ) -> None:
        super().__init__()
        self.source_vector_size = source_vector_size
        self.source_vector = nn.Linear(encoder_width, source_vector_size)
        self.start = InitialState(source_vector_size, decoder_widths, cells=cells)

    def forward(self, encoded: Encoded) -> DecoderInit:
        """Final state to the vector and to the initial state made of it."""
        source_vector = torch.tanh(self.source_vector(encoded.final.hidden[-1]))
        return DecoderInit(self.start(source_vector, source_vector), source_vector=source_vector)


class FirstInputBridge(nn.Module):
    """The decoder starts at zero and reads a source vector before the first token (Vinyals et al. 2015, eq. 10).

    The vector is the mean of the memory, which for an image is the pooled feature map.
    """

    source_vector_size = 0

    def __init__(self, memory_size: int, embedding_size: int, decoder_widths: Sequence[int], *, cells: bool) -> None:
        super().__init__()
        self.first_input = nn.Linear(memory_size, embedding_size)
        self.widths = tuple(decoder_widths)
        self.cells = cells

    def forward(self, encoded: Encoded) -> DecoderInit:
        """Mean over real positions, as an embedding."""
        first = self.first_input(encoded.mean())
        zeros = tuple(first.new_zeros(first.shape[0], width) for width in self.widths)
        return DecoderInit(State(zeros, zeros if self.cells else ()), first_input=first)


Bridge = CopyBridge | ProjectBridge | MeanBridge | EveryStepBridge | FirstInputBridge
