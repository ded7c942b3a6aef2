"""The mode that finds waits finds each kind of them, and nothing else."""

from collections.abc import Callable

import pytest
import torch
from no_sync import no_sync
from torch import Tensor

ONE, ROWS = torch.ones(()), torch.arange(6).view(3, 2)
MASK = torch.tensor([True, False, True])


def put(mask: Tensor) -> None:
    ROWS.clone()[mask] = 7


@pytest.mark.parametrize(
    "wait",
    [
        lambda: ONE.item(),
        lambda: bool(ONE),
        lambda: int(ONE),
        lambda: ROWS.tolist(),
        lambda: ROWS.numpy(),
        lambda: ROWS.cpu(),
        lambda: ROWS.nonzero(),
        lambda: ROWS[MASK],
        lambda: put(MASK),
        lambda: ROWS.masked_select(MASK.unsqueeze(1)),
        lambda: ROWS.unique(),
        lambda: ROWS.unique_consecutive(),
        lambda: ROWS.unique(dim=0),
        lambda: torch.equal(ROWS, ROWS.clone()),
        lambda: torch.where(MASK),
        lambda: ROWS.repeat_interleave(torch.tensor([1, 2, 1]), dim=0),
    ],
)
def test_what_reads_values_is_refused(wait: Callable[[], object]) -> None:
    wait()
    with no_sync(), pytest.raises(AssertionError, match="makes the host wait"):
        wait()


def test_what_stays_on_the_device_is_not() -> None:
    with no_sync():
        assert ROWS[torch.tensor([2, 0])].shape == (2, 2)
        assert torch.where(MASK.unsqueeze(1), ROWS, 0).masked_fill(~MASK.unsqueeze(1), 1).topk(2).indices.shape == (
            3,
            2,
        )
        ROWS.clone()[:, 0] = 3
        assert ROWS.repeat_interleave(2, dim=0).shape == (6, 2)
