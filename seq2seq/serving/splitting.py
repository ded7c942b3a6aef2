"""Texts into sentences, and back, white space and all."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

# Where a sentence may end: at white space, or after East Asian marks, which need none.
_GAP = re.compile(r"(?P<mark>[。！？｡]+[」』”’）]*)?(?P<space>\s+)|[。！？｡]+[」』”’）]*")
_LINE_BREAK = re.compile(r"[\n\r\v\f\x85\u2028\u2029]")
_STOP = re.compile(r"""[.!?…؟।॥]["'”’»)\]]*$""")
# What a full stop belongs to without ending a sentence: an initial, a title before a name and such.
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|Sr|Sra|Jr|Mme|Mlle|vs|cf|e\.g|i\.e|etc)\.$")
# Characters before a gap that the two rules above look at, so that no text takes quadratic time.
_WINDOW = 10


@dataclass(frozen=True, slots=True)
class Piece:
    """A sentence and the white space after it; the white space before the first sentence follows an empty one."""

    sentence: str
    space: str


def split_text(text: str) -> list[Piece]:
    r"""The sentences of a text; none goes over a line break. Joined, the pieces are the text.

    >>> split_text("Hi. Who is Mr. X?\n\nMe!")
    [Piece(sentence='Hi.', space=' '), Piece(sentence='Who is Mr. X?', space='\n\n'), Piece(sentence='Me!', space='')]
    """
    first = len(text) - len(text.lstrip())
    pieces = [Piece("", text[:first])] if first else []
    starts = [first, *_starts(text, first), len(text)]
    for start, end in pairwise(starts):
        if sentence := text[start:end].rstrip():
            pieces.append(Piece(sentence, text[start + len(sentence) : end]))
    return pieces


def _starts(text: str, first: int) -> Iterator[int]:
    """Where every sentence but the first begins."""
    for gap in _GAP.finditer(text, first):
        if gap.end() == len(text):
            return
        before = text[max(first, gap.start() - _WINDOW) : gap.start()]
        ends = _STOP.search(before) and not _ABBREVIATION.search(before) and not text[gap.end()].islower()
        if ends or gap["mark"] or not gap["space"] or _LINE_BREAK.search(gap["space"]):
            yield gap.end()
