"""The record that the corpus is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text and the text it should become."""

    src: str
    tgt: str
