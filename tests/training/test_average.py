"""What cannot be averaged is named for what it is."""

import shutil
from pathlib import Path

import pytest

from seq2seq.errors import RunError
from seq2seq.training.average import average
from seq2seq.training.checkpoint import checkpoint_folders


def test_a_checkpoint_in_the_place_of_a_run_or_outside_one_is_said_to_be_one(digits_run: Path, tmp_path: Path) -> None:
    inside = checkpoint_folders(digits_run)[0]
    with pytest.raises(RunError, match=r"is a checkpoint of the run .*: expected the run itself"):
        average(inside, [], tmp_path / "mean")
    outside = Path(shutil.copytree(inside, tmp_path / "somewhere" / "checkpoints" / inside.name))
    with pytest.raises(RunError, match=f"is a checkpoint outside its run: expected RUN/checkpoints/{inside.name}"):
        average(digits_run, [outside], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()
