"""A stack of LSTM layers on fused kernels.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of a layer.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from seq2seq.model.state import State


class RecurrentStack(nn.Module):
    """Layers of long short-term memory, each reading the outputs of the one below.

    A layer is one call of ``nn.LSTM`` for the whole sequence: input, forget and output gates and the
    candidate of Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000::

        i, f, o = σ(W x_t + U h_{t-1} + b)        g = tanh(W x_t + U h_{t-1} + b)
        c_t = f ⊙ c_{t-1} + i ⊙ g                 h_t = o ⊙ tanh(c_t)

    Dropout touches only what goes up, never what goes on in time (Zaremba et al. 2014). It lies between
    the calls rather than inside a deep ``nn.LSTM``, where cuDNN's is not reproducible.

    Args:
        input_size: E.
        widths: H of each layer, bottom first.
        dropout: probability of zeroing an output of any layer, the top one included.
        residual_from: first layer, counted from 1, whose input is added to its output (Wu et al. 2016, §3.1),
            wherever the two have one width; 0: none.
    """

    def __init__(self, input_size: int, widths: Sequence[int], *, dropout: float, residual_from: int) -> None:
        super().__init__()
        sizes = [input_size, *widths]
        self.layers = nn.ModuleList(
            nn.LSTM(below, width, batch_first=True) for below, width in zip(sizes, widths, strict=False)
        )
        self.dropout = nn.Dropout(dropout)
        self.residual_from = residual_from

    def forward(
        self, inputs: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Runs the stack over whole sequences.

        Args:
            inputs: (B, T, E), padding at the end.
            state: where each layer starts; None: at zero.
            lengths: (B,) on the CPU, needed only where sequences differ in length *and* the final state
                matters; None: every row is T long.

        Returns:
            Outputs of the top layer (B, T, H), zero at padding if ``lengths`` is given, and the state of
            every layer after each row's last real step.
        """
        steps = inputs.shape[1]
        # Packing is exact but leaves the fused CPU kernel, so batches of one length go without.
        sequence: Tensor | PackedSequence = inputs
        if lengths is not None and bool((lengths != steps).any()):
            sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        hidden, cell = [], []
        for index, layer in enumerate(self.layers):
            start = None
            if state is not None:
                start = (state.hidden[index].unsqueeze(0), state.cell[index].unsqueeze(0))
            outputs, (last_hidden, last_cell) = layer(sequence, start)
            hidden.append(last_hidden[0])
            cell.append(last_cell[0])
            outputs = _map(self.dropout, outputs)
            if 0 < self.residual_from <= index + 1 and _width(outputs) == _width(sequence):
                outputs = _map(_data(sequence).add, outputs)
            sequence = outputs
        if isinstance(sequence, PackedSequence):
            sequence, _ = pad_packed_sequence(sequence, batch_first=True, total_length=steps)
        return sequence, State(tuple(hidden), tuple(cell))


def _data(sequence: Tensor | PackedSequence) -> Tensor:
    # A tensor has a .data of its own, which would cut it off from its gradient.
    return sequence.data if isinstance(sequence, PackedSequence) else sequence


def _width(sequence: Tensor | PackedSequence) -> int:
    return _data(sequence).shape[-1]


def _map(function: Callable[[Tensor], Tensor], sequence: Tensor | PackedSequence) -> Tensor | PackedSequence:
    """``function`` over the values of a sequence, packed or not."""
    if isinstance(sequence, PackedSequence):
        return sequence._replace(data=function(sequence.data))
    return function(sequence)
