"""Pronouncing dictionaries in the format of CMUdict: letters to sounds.

A line is a word and its phonemes, ``aalborg(2) AA1 L B AO0 R G # place, danish``; other pronunciations of a word follow
it, numbered.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.text_files import read_lines, require
from seq2seq.errors import CorpusError

SUFFIX = ".dict"
"""Ends the names of such files."""

_ENTRY = re.compile(r"(?P<word>\S+?)(?:\(\d+\))?\s+(?P<phonemes>\S.*)")


def read_pronunciations(path: Path) -> Iterator[Pair]:
    """Each word with one of its pronunciations, phonemes apart: ``aalborg``, ``AA L B AO R G``.

    Stress, the digit after a vowel, is left out, as in the published results for CMUdict (Yao & Zweig 2015).

    Raises:
        CorpusError: a line is not a word with phonemes; names it.
    """
    for number, line in enumerate(read_lines(require(path)), start=1):
        text = line.partition(" #")[0].strip()
        if not text:
            continue
        entry = _ENTRY.fullmatch(text)
        if entry is None:
            raise CorpusError(f"{path}, line {number}: expected a word and its phonemes, found {line[:60]!r}")
        yield Pair(entry["word"], re.sub(r"\d", "", entry["phonemes"]))
