"""What all engines share."""

import pytest
import torch

from seq2seq.engines.engine import log_softmax


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_log_probabilities_have_32_bits_at_least(dtype: torch.dtype, expected: torch.dtype) -> None:
    log_probs = log_softmax(torch.tensor([[0.0, 2.0, -1.0]], dtype=dtype))
    assert log_probs.dtype == expected
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(1, dtype=expected))
