"""Cells: equal to their equations, to torch, and blind to padding."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.config import ModelConfig
from seq2seq.model import cells
from seq2seq.model.build import build_cell
from seq2seq.model.cells import GRU, LSTM, RNN, FusedCell
from seq2seq.model.step_cells import LayerNormLSTM, PeepholeLSTM, StepCell

E, H = 4, 6
KINDS = ("lstm", "gru", "rnn", "relu", "peephole", "layernorm")


def cell(kind: str, **settings: object) -> FusedCell | StepCell:
    """A float64 cell with nothing at zero or one, so that no term of an equation can hide."""
    nonlinearity = "relu" if kind == "relu" else "tanh"
    config = ModelConfig(cell="rnn" if kind == "relu" else kind, nonlinearity=nonlinearity, **settings)
    made = build_cell(config.cell, E, H, config).double().eval()
    for parameter in made.parameters():
        nn.init.uniform_(parameter, -0.9, 0.9)
    return made


def start(made: FusedCell | StepCell, rows: int = 3) -> tuple[Tensor, ...]:
    return tuple(torch.randn(rows, H, dtype=torch.float64) for _ in range(made.num_states))


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-x))


def gates(weight: Tensor) -> list[Tensor]:
    return list(weight.split(H))


def lstm_by_hand(made: LSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    w, u, b, d = map(gates, made.kernel.parameters())
    i, f, g, o = (x @ w[n].T + h @ u[n].T + b[n] + d[n] for n in range(4))
    c = sigmoid(f) * c + sigmoid(i) * torch.tanh(g)
    return sigmoid(o) * torch.tanh(c), c


def gru_by_hand(made: GRU, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    w, u, b, d = map(gates, made.kernel.parameters())
    r, z = (sigmoid(x @ w[n].T + b[n] + h @ u[n].T + d[n]) for n in range(2))
    n = torch.tanh(x @ w[2].T + b[2] + r * (h @ u[2].T + d[2]))
    return ((1 - z) * n + z * h,)


def rnn_by_hand(made: RNN, x: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    w, u, b, d = made.kernel.parameters()
    total = x @ w.T + b + h @ u.T + d
    return (torch.tanh(total) if made.kernel.nonlinearity == "tanh" else total.clamp(min=0),)


def peephole_by_hand(made: PeepholeLSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    w, u, b = gates(made.weight_input), gates(made.weight_recurrent), gates(made.bias)
    i, f, g, o = (x @ w[n].T + h @ u[n].T + b[n] for n in range(4))
    new = sigmoid(f + made.peepholes[1] * c) * c + sigmoid(i + made.peepholes[0] * c) * torch.tanh(g)
    return sigmoid(o + made.peepholes[2] * new) * torch.tanh(new), new


def normal(v: Tensor) -> Tensor:
    mean = v.mean(-1, keepdim=True)
    return (v - mean) / torch.sqrt(((v - mean) ** 2).mean(-1, keepdim=True) + 1e-5)


def layernorm_by_hand(made: LayerNormLSTM, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    from_input = normal(x @ made.weight_input.T) * made.gain_input
    from_hidden = normal(h @ made.weight_recurrent.T) * made.gain_recurrent
    i, f, g, o = (from_input + from_hidden + made.bias).split(H, dim=-1)
    c = sigmoid(f) * c + sigmoid(i) * torch.tanh(g)
    return sigmoid(o) * torch.tanh(normal(c) * made.gain_cell + made.shift_cell), c


BY_HAND: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": lstm_by_hand,
    "gru": gru_by_hand,
    "rnn": rnn_by_hand,
    "relu": rnn_by_hand,
    "peephole": peephole_by_hand,
    "layernorm": layernorm_by_hand,
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_equals_its_equations(kind: str) -> None:
    made = cell(kind)
    inputs, state = torch.randn(3, 5, E, dtype=torch.float64), start(made)
    outputs, final = made(inputs, state)
    for time in range(5):
        state = BY_HAND[kind](made, inputs[:, time], *state)
        torch.testing.assert_close(outputs[:, time], state[0])
    for output, expected in zip(final, state, strict=True):
        torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_right(kind: str) -> None:
    made = cell(kind)
    inputs = torch.randn(2, 3, E, dtype=torch.float64, requires_grad=True)
    state = tuple(tensor.requires_grad_() for tensor in start(made, rows=2))

    def run(inputs: Tensor, *state: Tensor) -> Tensor:
        outputs, final = made(inputs, state, torch.tensor([3, 2]))
        return torch.cat([outputs.flatten(), *(tensor.flatten() for tensor in final)])

    assert torch.autograd.gradcheck(run, (inputs, *state))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_neither_outputs_nor_state_nor_gradients(kind: str, dtype: torch.dtype) -> None:
    """In float32, too, for only that goes through the fused CPU kernel."""
    made = cell(kind).to(dtype)
    near = {"rtol": 1e-4, "atol": 1e-5} if dtype == torch.float32 else {}
    inputs, lengths = torch.randn(3, 5, E, dtype=dtype), torch.tensor([5, 2, 4])
    outputs, final = made(inputs, None, lengths)
    outputs.sum().backward()
    together = [parameter.grad.clone() for parameter in made.parameters()]
    made.zero_grad()
    for row, length in enumerate(lengths.tolist()):
        alone, state = made(inputs[row : row + 1, :length])
        alone.sum().backward()
        torch.testing.assert_close(outputs[row : row + 1, :length], alone, **near)
        assert not outputs[row, length:].any()
        for tensor, expected in zip(final, state, strict=True):
            torch.testing.assert_close(tensor[row : row + 1], expected, **near)
    for one, parameter in zip(together, made.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, **near)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing_in_bfloat16(kind: str) -> None:
    made = cell(kind).bfloat16()
    inputs, lengths = torch.randn(3, 5, E, dtype=torch.bfloat16), torch.tensor([5, 2, 4])
    outputs, final = made(inputs, None, lengths)
    for row, length in enumerate(lengths.tolist()):
        alone, state = made(inputs[row : row + 1, :length])
        torch.testing.assert_close(outputs[row : row + 1, :length], alone, rtol=0.02, atol=0.02)
        for tensor, expected in zip(final, state, strict=True):
            torch.testing.assert_close(tensor[row : row + 1], expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("columns", [1, 8])
@pytest.mark.parametrize("weight_dropout", [0.0, 0.4])
@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn", "relu"])
def test_a_rectangle_equals_torchs_packed_rows(
    kind: str, weight_dropout: float, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one column that flags padding, as on a CPU, and with eight, as on a GPU."""
    monkeypatch.setattr(cells, "_flag_columns", lambda _: columns)
    made = cell(kind, weight_dropout=weight_dropout).train()
    inputs, lengths, state = torch.randn(3, 5, E, dtype=torch.float64), torch.tensor([5, 2, 4]), start(made)

    def packed() -> tuple[Tensor, tuple[Tensor, ...]]:
        sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        weight = nn.functional.dropout(made.kernel.weight_hh_l0, weight_dropout)
        initial = tuple(tensor.unsqueeze(0) for tensor in state)
        arguments = sequence, initial if len(initial) > 1 else initial[0]
        outputs, final = functional_call(made.kernel, {"weight_hh_l0": weight}, arguments)
        final = final if len(initial) > 1 else (final,)
        return pad_packed_sequence(outputs, batch_first=True)[0], tuple(tensor[0] for tensor in final)

    results = []
    for run in (packed, lambda: made(inputs, state, lengths)):
        made.zero_grad()
        torch.manual_seed(5)
        outputs, final = run()
        (outputs.sum() + sum(tensor.sum() for tensor in final)).backward()
        results.append([outputs, *final, *(parameter.grad.clone() for parameter in made.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_rectified_units_do_not_explode_at_padding() -> None:
    made = cell("relu").float()
    made.kernel.weight_hh_l0.data.copy_(1.3 * torch.eye(H))
    outputs, _ = made(torch.rand(1, 1000, E), None, torch.tensor([3]))
    outputs.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in made.parameters())


@pytest.mark.parametrize("zoneout", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_trace_is_what_the_cell_computes(kind: str, zoneout: float) -> None:
    made = cell(kind, **({"zoneout": zoneout} if kind in ("peephole", "layernorm") else {}))
    inputs, state = torch.randn(3, 5, E, dtype=torch.float64), start(made)
    outputs, final = made(inputs, state)
    trace = made.trace(inputs, state)
    torch.testing.assert_close(trace["hidden"], outputs)
    if made.num_states == 2:
        torch.testing.assert_close(trace["cell"][:, -1], final[1])
    assert all(values.shape == (3, 5, H) for values in trace.values())


def test_a_peephole_lstm_with_zero_peepholes_is_an_lstm() -> None:
    fused, made = cell("lstm"), cell("peephole")
    w, u, b, d = fused.kernel.parameters()
    made.weight_input.data.copy_(w)
    made.weight_recurrent.data.copy_(u)
    made.bias.data.copy_(b + d)
    made.peepholes.data.zero_()
    inputs = torch.randn(3, 5, E, dtype=torch.float64)
    torch.testing.assert_close(made(inputs)[0], fused(inputs)[0])


def test_layer_normalisation_does_not_see_the_scale_of_its_weights() -> None:
    made = cell("layernorm")
    inputs = 100 * torch.randn(3, 5, E, dtype=torch.float64)
    before, _ = made(inputs)
    made.weight_input.data *= 7
    torch.testing.assert_close(made(inputs)[0], before, rtol=1e-3, atol=1e-5)


def test_rectified_units_start_as_the_identity() -> None:
    made = cell("relu")
    made.initialise(0.0)
    assert torch.equal(made.kernel.weight_hh_l0, torch.eye(H, dtype=torch.float64))


@pytest.mark.parametrize("kind", KINDS)
def test_weight_dropout_draws_once_for_a_sequence(kind: str) -> None:
    made = cell(kind, weight_dropout=0.5).train()
    weight = made.weight_recurrent if isinstance(made, StepCell) else made.kernel.weight_hh_l0
    inputs = torch.randn(2, 4, E, dtype=torch.float64)
    torch.manual_seed(3)
    outputs, _ = made(inputs)
    torch.manual_seed(3)
    dropped = nn.functional.dropout(weight, 0.5)
    assert 0 < (dropped == 0).sum() < dropped.numel()
    kept = weight.detach().clone()
    weight.data.copy_(dropped)
    torch.testing.assert_close(made.eval()(inputs)[0], outputs)
    weight.data.copy_(kept)
    outputs.sum().backward()
    assert not weight.grad[dropped == 0].any()


@pytest.mark.parametrize("kind", ["peephole", "layernorm"])
def test_zoneout_keeps_units_in_training_and_averages_in_evaluation(kind: str) -> None:
    made = cell(kind, zoneout=0.4)
    inputs, state = torch.randn(50, 1, E, dtype=torch.float64), start(made, rows=50)
    with torch.no_grad():
        averaged = made(inputs, state)[1]
        made.train()
        drawn = made(inputs, state)[1]
        made.zoneout = 0.0
        plain = made(inputs, state)[1]
    for before, mean, now, new in zip(state, averaged, drawn, plain, strict=True):
        torch.testing.assert_close(mean, 0.4 * before + 0.6 * new)
        kept = now == before
        assert (kept | (now == new)).all()
        assert 0.25 < kept.double().mean() < 0.55
        assert len(kept.unique(dim=0)) > 25  # each unit by itself, not whole rows
