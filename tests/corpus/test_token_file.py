"""Token ids on disk: what was written is read, over the seams of blocks too."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.corpus.token_file import TokenFile, open_columns

rows = st.lists(st.lists(st.integers(0, 5) | st.integers(0, 2**31 - 1), max_size=4), min_size=1, max_size=9)
blocks = st.lists(rows, min_size=1, max_size=4)


def write(path: Path, blocks: list[list[list[int]]]) -> None:
    with TokenFile(path) as file:
        for block in blocks:
            file.write(block, [row[::-1] for row in block])


@given(blocks)
@settings(deadline=None)
def test_what_was_written_is_read(blocks: list[list[list[int]]]) -> None:
    with TemporaryDirectory() as folder:
        write(Path(folder) / "tokens", blocks)
        src, tgt = open_columns(Path(folder) / "tokens")
        flat = [row for block in blocks for row in block]
        assert [src[place] for place in range(len(flat))] == flat
        assert [tgt[place] for place in range(len(flat))] == [row[::-1] for row in flat]
        places = np.random.default_rng(0).integers(len(flat), size=7)
        assert [ids.tolist() for ids in tgt.take(places)] == [flat[place][::-1] for place in places]
        assert src.lengths().tolist() == [len(row) for row in flat]


def test_the_datasets_library_reads_it_too(tmp_path: Path) -> None:
    write(tmp_path / "tokens.arrow", [[[4, 5], [6]], [[7]]])
    assert Dataset.from_file(str(tmp_path / "tokens.arrow"))["src"][:] == [[4, 5], [6], [7]]
