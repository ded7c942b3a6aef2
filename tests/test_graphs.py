import pytest
import torch

from seq2seq.graphs import Recorder


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)],
)
def test_a_recording_is_not_run_at_once_and_reads_its_tensors_anew(device):
    number, total = torch.ones((), device=device), torch.zeros((), device=device)
    torch.add(total, number)  # as a warm-up
    repeat = Recorder(torch.device(device)).record(lambda: total.add_(number))
    assert total == 0
    for value, expected in ((1.0, 1.0), (2.0, 3.0), (5.0, 8.0)):
        number.fill_(value)
        assert repeat() == expected
        assert total == expected
