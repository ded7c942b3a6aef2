"""scripts/compare_training.py: every toolkit trains on the same pairs."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from seq2seq.corpus.prepared import prepare
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.recipe import load_recipe

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_takes_the_first_pairs_with_distinct_sources(digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)
    corpus = importlib.import_module("peers.corpus")
    prepared = prepare(load_recipe(digits_run / "config.toml"))
    # Rows 0, 2 and 4 are the first of their kind.
    rows = np.array([0, 0, 1, 0, 2])
    src, tgt = (TokenColumn([]).followed_by(column.take(rows)) for column in (prepared.src, prepared.tgt))
    repeated = replace(prepared, src=src, tgt=tgt)
    some = corpus.some_pairs(repeated, 3)
    for chosen, column in ((some.src, src), (some.tgt, tgt)):
        assert [chosen[row] for row in range(len(chosen.lengths()))] == [column[row] for row in (0, 2, 4)]
    with pytest.raises(corpus.ToolkitError, match="3 training pairs are too few"):
        corpus.some_pairs(repeated, 4)
