"""The loss: equal to torch's in value and gradient, however it is cut into chunks."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from seq2seq.corpus.subword import PAD
from seq2seq.training import objective
from seq2seq.training.objective import cross_entropy


@pytest.fixture(params=[1 << 20, 50, 1])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objective, "_CHUNK_CELLS", request.param)
    monkeypatch.setattr(objective, "_LEAST_ROWS", 1)


def problem(scale: float = 1.0):
    features = (torch.randn(3, 5, 7, dtype=torch.float64) * scale).requires_grad_()
    output = nn.Linear(7, 11).double()
    targets = torch.randint(1, 11, (3, 5))
    targets[1, 3:] = PAD
    return features, output, targets


@pytest.mark.usefixtures("_chunks")
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_value_and_gradients_equal_torch(smoothing: float) -> None:
    features, output, targets = problem()
    logits = output(features).flatten(0, 1)
    expected = functional.cross_entropy(
        logits, targets.flatten(), ignore_index=PAD, reduction="sum", label_smoothing=smoothing
    )
    wanted = torch.autograd.grad(3 * expected, [features, output.weight, output.bias])
    loss = cross_entropy(features, output, targets, smoothing=smoothing)
    found = torch.autograd.grad(3 * loss.smoothed, [features, output.weight, output.bias])
    torch.testing.assert_close(loss.smoothed, expected)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other)
    plain = functional.cross_entropy(logits, targets.flatten(), ignore_index=PAD, reduction="sum")
    torch.testing.assert_close(loss.nll, plain.detach())


def test_gradcheck() -> None:
    features, output, targets = problem()
    assert torch.autograd.gradcheck(
        lambda x, w, b: objective._ChunkedCrossEntropy.apply(x, w, b, targets.flatten(), 0.1, True)[0],
        (features.detach().flatten(0, 1).requires_grad_(), output.weight, output.bias),
    )


def test_hopeless_predictions_have_a_finite_and_right_loss() -> None:
    features, output, targets = problem(scale=1e4)
    found = cross_entropy(features, output, targets, smoothing=0.0)
    expected = functional.cross_entropy(
        output(features).flatten(0, 1), targets.flatten(), ignore_index=PAD, reduction="sum"
    )
    torch.testing.assert_close(found.smoothed, expected)


def test_a_batch_of_padding_costs_nothing() -> None:
    features, output, targets = problem()
    loss = cross_entropy(features, output, torch.full_like(targets, PAD), smoothing=0.1)
    loss.smoothed.backward()
    assert loss.smoothed.item() == 0
    assert features.grad is not None
    assert not features.grad.any()
    assert not output.weight.grad.any()


def test_bf16_comes_close() -> None:
    features, output, targets = problem()
    features, output = features.detach().float().requires_grad_(), output.float()
    exact = cross_entropy(features, output, targets, smoothing=0.1)
    wanted = torch.autograd.grad(exact.smoothed, [features, output.weight])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = cross_entropy(features, output, targets, smoothing=0.1)
    found = torch.autograd.grad(rough.smoothed, [features, output.weight])
    torch.testing.assert_close(rough.smoothed, exact.smoothed, rtol=0.01, atol=0.0)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
