"""The recurrent stack: equal to the equations, to torch, and blind to padding."""

import pytest
import torch
from torch import Tensor, nn

from seq2seq.model.bridge import CopyBridge, ProjectBridge
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import State


def stack(**settings: object) -> RecurrentStack:
    defaults = {"dropout": 0.0, "residual_from": 0}
    return RecurrentStack(4, (6, 6, 6), **(defaults | settings)).double().eval()


def by_hand(layer: nn.LSTM, inputs: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The equations of the docstring, one step and one gate at a time."""
    width = layer.hidden_size
    weights = {}
    for number, gate in enumerate("ifgo"):
        rows = slice(number * width, (number + 1) * width)
        weights[gate] = (
            layer.weight_ih_l0[rows],
            layer.weight_hh_l0[rows],
            layer.bias_ih_l0[rows] + layer.bias_hh_l0[rows],
        )

    def sum_into(gate: str, x: Tensor, h: Tensor) -> Tensor:
        w, u, b = weights[gate]
        return x @ w.T + h @ u.T + b

    outputs = []
    for x in inputs.unbind(1):
        i, f, o = (1 / (1 + torch.exp(-sum_into(gate, x, hidden))) for gate in "ifo")
        g = torch.tanh(sum_into("g", x, hidden))
        cell = f * cell + i * g
        hidden = o * torch.tanh(cell)
        outputs.append(hidden)
    return torch.stack(outputs, 1), hidden, cell


def test_a_stack_equals_the_equations() -> None:
    layers = stack()
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    start = State(*(tuple(torch.randn(3, 6, dtype=torch.float64) for _ in range(3)) for _ in range(2)))
    outputs, final = layers(inputs, start)
    below = inputs
    for number, layer in enumerate(layers.layers):
        below, hidden, cell = by_hand(layer, below, start.hidden[number], start.cell[number])
        torch.testing.assert_close(final.hidden[number], hidden)
        torch.testing.assert_close(final.cell[number], cell)
    torch.testing.assert_close(outputs, below)


def test_a_stack_equals_a_deep_torch_lstm() -> None:
    layers = stack()
    deep = nn.LSTM(4, 6, num_layers=3, batch_first=True).double()
    for number, layer in enumerate(layers.layers):
        for name, parameter in layer.named_parameters():
            getattr(deep, name.replace("l0", f"l{number}")).data.copy_(parameter)
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    outputs, final = layers(inputs)
    expected, (hidden, cell) = deep(inputs)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(torch.stack(final.hidden), hidden)
    torch.testing.assert_close(torch.stack(final.cell), cell)


@pytest.mark.parametrize("residual_from", [0, 2])
def test_padding_changes_neither_outputs_nor_state_nor_gradients(residual_from: int) -> None:
    layers = stack(residual_from=residual_from)
    inputs = torch.randn(3, 5, 4, dtype=torch.float64)
    lengths = torch.tensor([5, 2, 4])
    outputs, final = layers(inputs, lengths=lengths)
    outputs.sum().backward()
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


def test_residual_adds_the_input_where_widths_agree() -> None:
    plain, residual = stack(), stack(residual_from=2)
    residual.load_state_dict(plain.state_dict())
    inputs = torch.randn(2, 3, 4, dtype=torch.float64)
    first, _ = plain.layers[0](inputs)
    second, _ = plain.layers[1](first)
    third, _ = plain.layers[2](first + second)
    torch.testing.assert_close(residual(inputs)[0], first + second + third)


def test_residual_leaves_out_the_layers_below_and_widths_that_differ() -> None:
    late, early = stack(residual_from=3), stack(residual_from=1)
    inputs = torch.randn(2, 3, 4, dtype=torch.float64)
    second = inputs
    for layer in late.layers[:2]:
        second, _ = layer(second)
    third, _ = late.layers[2](second)
    torch.testing.assert_close(late(inputs)[0], second + third)
    early(inputs)  # 4 and 6 do not add up: the first layer goes without


def test_dropout_is_between_layers_and_never_in_time() -> None:
    layers = stack(dropout=0.5).train()
    seen: list[Tensor] = []
    layers.layers[0].register_forward_hook(lambda _, __, output: seen.append(output[0]))
    layers.layers[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    layers(torch.randn(4, 6, 4, dtype=torch.float64))
    below, above = seen
    kept = above != 0
    torch.testing.assert_close(above[kept], 2 * below[kept])
    assert 0.2 < kept.double().mean() < 0.8


def test_state_rows_are_selected_in_every_layer() -> None:
    state = State((torch.arange(3).view(3, 1), torch.arange(3, 6).view(3, 1)), (torch.arange(6, 9).view(3, 1),) * 2)
    chosen = state.select(torch.tensor([2, 0, 0, 1]))
    assert [layer.flatten().tolist() for layer in chosen.hidden] == [[2, 0, 0, 1], [5, 3, 3, 4]]
    assert chosen.cell[1].flatten().tolist() == [8, 6, 6, 7]


def test_copy_hands_every_layer_over_and_project_fits_any_shape() -> None:
    final = State(tuple(torch.randn(2, 3) for _ in range(4)), tuple(torch.randn(2, 3) for _ in range(4)))
    assert CopyBridge()(final) is final
    start = ProjectBridge((3,) * 4, (5, 7))(final)
    assert [layer.shape for layer in (*start.hidden, *start.cell)] == [(2, 5), (2, 7)] * 2
    assert all(layer.abs().max() < 1 for layer in start.hidden)
