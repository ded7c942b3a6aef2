"""How sources become batches: sentences or pictures, grouped so that a batch has little padding.

Shapes: ``N`` pictures, ``S`` positions of a feature map, ``C`` channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.corpus.images import read_image
from seq2seq.corpus.subword import Vocabularies
from seq2seq.decoding.batches import within_budget
from seq2seq.model.seq2seq import Seq2Seq

LookUp = Callable[[Sequence[str]], Tensor]
"""From names of pictures to an encoder's input: feature maps (N, S, C) or pixels (N, 3, height, width)."""

# Positions of a feature map: a picture counts as so many tokens.
_POSITIONS = 49


@dataclass(frozen=True, slots=True)
class Member:
    """One trained model, its vocabularies and its settings."""

    model: Seq2Seq
    vocabularies: Vocabularies
    config: Config


class Reader(Protocol):
    """Turns sources into batches."""

    def batches(
        self, members: Sequence[Member], sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[Batch]:
        """A batch for each member, of the sources and, if given, target ids."""

    def group(self, members: Sequence[Member], sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Row numbers of the sources to decode together, at most ``budget`` tokens a group; empty sources are left out.

        Sources come in any order; the longest are grouped first, so that a lack of memory shows at once.
        """

    def lengths(self, members: Sequence[Member], sources: Sequence[str]) -> list[int] | None:
        """Tokens of each source as the first member reads it; None for pictures, which have no length."""


class TextReader:
    """Sentences; longer ones than ``data.max_tokens`` are truncated, since the model was never trained on any."""

    def batches(
        self, members: Sequence[Member], sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[Batch]:
        """A batch for each member, of sentences and, if given, the ids of their translations."""
        return [
            collate(
                [_encode(member, source) for source in sources], targets, reverse=member.config.model.reverse_source
            )
            for member in members
        ]

    def group(self, members: Sequence[Member], sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Groups of similar length, which need little padding."""
        lengths = self.lengths(members, sources)
        by_length = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        yield from within_budget(by_length, [lengths[row] + 1 for row in by_length], budget)

    def lengths(self, members: Sequence[Member], sources: Sequence[str]) -> list[int]:
        """Tokens of each sentence."""
        return [len(_encode(members[0], source)) for source in sources]


class ImageReader:
    """Pictures.

    Args:
        look_up: loads pictures by name; None: the names are paths of files.
    """

    def __init__(self, look_up: LookUp | None = None) -> None:
        self._look_up = look_up or _read_files

    def batches(
        self, members: Sequence[Member], sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[Batch]:
        """The same batch for each member, of pictures and, if given, the ids of their captions."""
        return [collate_images(self._look_up(sources), targets)] * len(members)

    def group(self, members: Sequence[Member], sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Groups of equal size, in the order given."""
        size = max(1, budget // _POSITIONS)
        for start in range(0, len(sources), size):
            yield range(start, min(start + size, len(sources)))

    def lengths(self, members: Sequence[Member], sources: Sequence[str]) -> None:
        """Pictures have no length."""


def _encode(member: Member, sentence: str) -> list[int]:
    return member.vocabularies.src.encode(sentence)[: member.config.data.max_tokens]


def _read_files(paths: Sequence[str]) -> Tensor:
    return torch.stack([read_image(Path(path)) for path in paths])
