"""How sources become batches: sentences or pictures.

Shapes: ``N`` pictures, ``S`` positions of a feature map, ``C`` channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.corpus.images import read_image
from seq2seq.corpus.subword import Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.sentences import SentenceReader
from seq2seq.engines.engine import Engine
from seq2seq.model.seq2seq import Seq2Seq

LookUp = Callable[[Sequence[str]], Tensor]
"""From names of pictures to an encoder's input: feature maps (N, S, C) or pixels (N, 3, height, width)."""

# Positions of a feature map: a picture counts as so many tokens.
_POSITIONS = 49


@dataclass(frozen=True, slots=True)
class Member:
    """One trained model, its vocabularies, its settings and how long the targets were that it learned from."""

    model: Seq2Seq
    vocabularies: Vocabularies
    config: Config
    target_lengths: TargetLengths
    engine: Engine | None = None
    """What searches run the model with; None: torch, and so whatever its weights are at that time."""


class TextReader(SentenceReader):
    """Sentences as batches."""

    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """A batch for each member, of sentences and, if given, the ids of their translations."""
        return [
            collate([self.ids(number, source) for source in sources], targets, reverse=one.config.model.reverse_source)
            for number, one in enumerate(self._members)
        ]


class ImageReader:
    """Pictures.

    Args:
        members: the models that read them.
        look_up: loads pictures by name; None: the names are paths of files.
    """

    def __init__(self, members: Sequence[Member], look_up: LookUp | None = None) -> None:
        self._members, self._look_up = members, look_up or _read_files

    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """The same batch for each member, of pictures and, if given, the ids of their captions."""
        return [collate_images(self._look_up(sources), targets)] * len(self._members)

    def group(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Row numbers of the pictures to decode together, in the order given."""
        size = max(1, budget // _POSITIONS)
        for start in range(0, len(sources), size):
            yield range(start, min(start + size, len(sources)))

    def lengths(self, sources: Sequence[str]) -> None:
        """Pictures have no length."""


Reader = TextReader | ImageReader


def _read_files(paths: Sequence[str]) -> Tensor:
    return torch.stack([read_image(Path(path)) for path in paths])
