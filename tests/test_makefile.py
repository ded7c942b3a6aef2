"""What make says before it installs anything."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("image", ["", "IMAGE="])
def test_captions_without_a_picture_are_refused_first(image: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "caption", *image.split()], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "make caption: expected IMAGE=picture.png, a file or a folder" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


@pytest.mark.parametrize("goal", [["caption", "IMAGE=my $cat's.png"], ["help"], ["translate"]])
def test_everything_else_is_not(goal: list[str], tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", "--dry-run", "-o", ".venv/.installed", *goal], cwd=tmp_path, capture_output=True)
    assert b"expected IMAGE" not in done.stderr
