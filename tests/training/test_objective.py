"""The loss: equal to torch's in value and gradient, however it is cut into chunks."""

import copy
from types import SimpleNamespace

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
    half = features.detach().bfloat16().requires_grad_(), copy.deepcopy(output).bfloat16()
    rough = cross_entropy(*half, targets, smoothing=0.1)
    found = torch.autograd.grad(rough.smoothed, [half[0], half[1].weight])
    torch.testing.assert_close(rough.smoothed, exact.smoothed, rtol=0.01, atol=0.0)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.float(), other, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(
    ("least", "cells", "chunks"), [(512, 1 << 21, 1), (4, 1, 4), (1, 22, 8), (1, 33, 5), (3, 22, 5)]
)
def test_logits_exist_for_one_chunk_at_a_time(
    least: int, cells: int, chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """15 positions, 11 entries in the vocabulary."""
    sizes: list[int] = []
    softmax = torch.softmax

    def watch(logits: torch.Tensor, dim: int) -> torch.Tensor:
        sizes.append(len(logits))
        return softmax(logits, dim)

    monkeypatch.setattr(objective, "_LEAST_ROWS", least)
    monkeypatch.setattr(objective, "_CHUNK_CELLS", cells)
    monkeypatch.setattr(torch, "softmax", watch)
    features, output, targets = problem()
    cross_entropy(features, output, targets, smoothing=0.1)
    assert (len(sizes), sum(sizes)) == (chunks, 15)
    assert len(set(sizes[:-1])) <= 1


def test_only_the_smoothed_loss_has_a_gradient_and_without_need_none_is_made() -> None:
    features, output, targets = problem()
    loss = cross_entropy(features, output, targets, smoothing=0.1)
    assert (loss.smoothed.requires_grad, loss.nll.requires_grad) == (True, False)
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "zeros_like", lambda _: pytest.fail("a gradient is made"))
        patch.setattr(torch, "empty_like", lambda _: pytest.fail("a gradient is made"))
        plain = cross_entropy(features, output, targets, smoothing=0.1)
    torch.testing.assert_close((plain.smoothed, plain.nll), (loss.smoothed.detach(), loss.nll))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_sums_are_at_least_float32_and_gradients_of_the_type_of_their_tensors(dtype: torch.dtype) -> None:
    features, output, targets = problem()
    features, output = features.detach().to(dtype).requires_grad_(), output.to(dtype)
    loss = cross_entropy(features, output, targets, smoothing=0.1)
    assert loss.smoothed.dtype == loss.nll.dtype == torch.promote_types(dtype, torch.float32)
    gradients = torch.autograd.grad(loss.smoothed, [features, output.weight, output.bias])
    assert [gradient.dtype for gradient in gradients] == [dtype] * 3


GIB = 1 << 30


@pytest.mark.parametrize(("memory", "cells"), [(139 * GIB, 1 << 28), (80 * GIB, 1 << 28), (8 * GIB, 1 << 25)])
def test_a_gpu_takes_larger_chunks_as_its_memory_allows(
    memory: int, cells: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = SimpleNamespace(total_memory=memory)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    assert objective._chunk_cells(torch.device("cuda")) == cells
    assert objective._chunk_cells(torch.device("cpu")) == 1 << 21
