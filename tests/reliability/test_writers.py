"""Writers: what cannot be written is said before the work, or the result is kept; nothing that existed is lost."""

import json
from pathlib import Path

import pytest
from children import Child
from places import FILES, FOLDERS, PLACES, arguments, write_everywhere
from work import seq2seq


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that anybody may read, beside its corpus and a file of two lines."""
    shared = tmp_path_factory.mktemp("writers")
    (shared / "lines").write_bytes(b"12\n34\n")
    status, words = Child(seq2seq, *arguments("train", shared / "run", shared / "run")).end()
    assert status == 0, words
    return shared / "run"


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_writer_refuses_before_its_work_or_keeps_the_result(place: str, run: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:2], run.parent):  # pytest's are for their owner only
        folder.chmod(0o755)
    status, words = Child(write_everywhere, place, tmp_path, run).end()
    assert status == 0, words
    found = json.loads(words.splitlines()[-1])
    if "missing" in found:
        pytest.fail(f"this test needs mounts of its own, but there is {found['missing']}")
    assert found["tried"] == len(FOLDERS + FILES) - (place == "long_name")
    assert not found["faults"], json.dumps(found["faults"], indent=1)
