"""Stacks of layers: order, dropout, residual connections, both directions."""

import pytest
import torch
from torch import Tensor, nn

from seq2seq.model.cells import LSTM
from seq2seq.model.recurrent import BidirectionalLayer, RecurrentStack, VariationalDropout, reverse
from seq2seq.model.state import State


def stack(
    dropout: nn.Module | None = None, residual: tuple[bool, ...] = (False,) * 3, context: int = 0
) -> RecurrentStack:
    layers = [LSTM(below + context, 6) for below in (4, 6, 6)]
    return RecurrentStack(layers, dropout or nn.Identity(), residual).double().eval()


def test_a_stack_equals_a_deep_torch_lstm() -> None:
    layers = stack()
    deep = nn.LSTM(4, 6, num_layers=3, batch_first=True).double()
    for number, layer in enumerate(layers.layers):
        for name, parameter in layer.kernel.named_parameters():
            getattr(deep, name.replace("l0", f"l{number}")).data.copy_(parameter)
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    start = tuple(torch.randn(3, 3, 6, dtype=torch.float64) for _ in range(2))
    outputs, final = layers(inputs, State(*(tuple(tensors) for tensors in start)))
    expected, (hidden, cell) = deep(inputs, start)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(torch.stack(final.hidden), hidden)
    torch.testing.assert_close(torch.stack(final.cell), cell)


def bidirectional(kernel: nn.LSTM) -> BidirectionalLayer:
    layer = BidirectionalLayer(LSTM(4, 6), LSTM(4, 6)).double().eval()
    for name, parameter in layer.forward_cell.kernel.named_parameters():
        parameter.data.copy_(getattr(kernel, name))
    for name, parameter in layer.backward_cell.kernel.named_parameters():
        parameter.data.copy_(getattr(kernel, f"{name}_reverse"))
    return layer


@pytest.mark.parametrize("lengths", [None, torch.tensor([5, 2, 4])])
def test_a_bidirectional_layer_equals_torchs(lengths: Tensor | None) -> None:
    kernel = nn.LSTM(4, 6, batch_first=True, bidirectional=True).double()
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    outputs, (hidden, cell) = bidirectional(kernel)(inputs, None, lengths)
    sequence = inputs
    if lengths is not None:
        sequence = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, (last_hidden, last_cell) = kernel(sequence)
    if lengths is not None:
        expected, _ = nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(hidden, torch.cat([*last_hidden], dim=-1))
    torch.testing.assert_close(cell, torch.cat([*last_cell], dim=-1))


def test_reverse_leaves_padding_at_the_end() -> None:
    rows = torch.tensor([[1, 2, 3], [4, 5, 0], [6, 0, 0]]).unsqueeze(-1)
    assert reverse(rows, torch.tensor([3, 2, 1])).squeeze(-1).tolist() == [[3, 2, 1], [5, 4, 0], [6, 0, 0]]
    assert reverse(rows, None).squeeze(-1).tolist() == [[3, 2, 1], [0, 5, 4], [0, 0, 6]]


@pytest.mark.parametrize("residual", [(False,) * 3, (False, True, True)])
def test_padding_changes_neither_outputs_nor_state_nor_gradients(residual: tuple[bool, ...]) -> None:
    layers = stack(residual=residual)
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    lengths = torch.tensor([5, 2, 4])
    outputs, final = layers(inputs, lengths=lengths)
    (outputs * (torch.arange(5) < lengths.unsqueeze(1)).unsqueeze(-1)).sum().backward()
    together = [parameter.grad.clone() for parameter in layers.parameters()]
    layers.zero_grad()
    for row, length in enumerate(lengths.tolist()):
        alone, state = layers(inputs[row : row + 1, :length])
        alone.sum().backward()
        torch.testing.assert_close(outputs[row : row + 1, :length], alone)
        for layer in range(3):
            torch.testing.assert_close(final.hidden[layer][row : row + 1], state.hidden[layer])
            torch.testing.assert_close(final.cell[layer][row : row + 1], state.cell[layer])
    for one, parameter in zip(together, layers.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad)


def test_residual_connections_add_a_layers_input() -> None:
    plain, residual = stack(), stack(residual=(False, True, True))
    residual.load_state_dict(plain.state_dict())
    inputs = torch.randn(2, 3, 4, dtype=torch.float64)
    first, _ = plain.layers[0](inputs)
    second, _ = plain.layers[1](first)
    third, _ = plain.layers[2](first + second)
    torch.testing.assert_close(residual(inputs)[0], first + second + third)


def test_dropout_falls_on_a_layers_own_output_not_on_the_shortcut() -> None:
    layers = stack(nn.Dropout(0.5), residual=(False, True, False)).train()
    passed: list[Tensor] = []
    layers.layers[1].register_forward_pre_hook(lambda _, inputs: passed.append(inputs[0]))
    layers.layers[2].register_forward_pre_hook(lambda _, inputs: passed.append(inputs[0]))
    layers(torch.randn(4, 6, 4, dtype=torch.float64))
    below, above = passed
    dropped_above = (above == below).double().mean()  # where the second layer's output was dropped
    assert 0.3 < dropped_above < 0.7


def test_every_layer_reads_the_context() -> None:
    layers = stack(context=5)
    inputs, context = torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 3, 5, dtype=torch.float64)
    below = inputs
    for layer in layers.layers:
        below, _ = layer(torch.cat([below, context], dim=-1))
    torch.testing.assert_close(layers(inputs, context=context)[0], below)


@pytest.mark.parametrize("dropout", [nn.Dropout(0.5), VariationalDropout(0.5)])
def test_dropout_is_between_layers_and_never_in_time(dropout: nn.Module) -> None:
    layers = stack(dropout).train()
    passed: list[Tensor] = []
    layers.layers[0].register_forward_hook(lambda _, __, output: passed.append(output[0]))
    layers.layers[1].register_forward_pre_hook(lambda _, inputs: passed.append(inputs[0]))
    layers(torch.randn(4, 6, 4, dtype=torch.float64))
    below, above = passed
    kept = above != 0
    torch.testing.assert_close(above[kept], 2 * below[kept])
    assert 0.2 < kept.double().mean() < 0.8
    constant = bool((kept == kept[:, :1]).all())
    assert constant == isinstance(dropout, VariationalDropout)


def test_state_rows_are_selected_in_every_layer() -> None:
    state = State((torch.arange(3).view(3, 1), torch.arange(3, 6).view(3, 1)), (torch.arange(6, 9).view(3, 1),) * 2)
    chosen = state.select(torch.tensor([2, 0, 0, 1]))
    assert [layer.flatten().tolist() for layer in chosen.hidden] == [[2, 0, 0, 1], [5, 3, 3, 4]]
    assert chosen.cell[1].flatten().tolist() == [8, 6, 6, 7]


def test_a_state_is_split_and_put_together_again() -> None:
    state = State(tuple(torch.randn(2, 3) for _ in range(3)), tuple(torch.randn(2, 3) for _ in range(3)))
    lower, upper = state.split(1)
    assert (len(lower.hidden), len(upper.cell)) == (1, 2)
    assert upper.above(lower) == state
