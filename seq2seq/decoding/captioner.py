"""Pictures in, sentences out (Vinyals et al. 2015)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.corpus.batching import Batch, collate_pictures
from seq2seq.corpus.images import SUFFIXES, read_image
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.system import Member, System
from seq2seq.errors import CorpusError
from seq2seq.model.compute import Compute

Look = Callable[[Sequence[str]], Tensor]
"""From names of pictures to what the encoder reads: feature maps (N, positions, channels) or pixels (N, 3, h, w)."""

# Of a picture, as attention sees it: what batches are measured by.
_POSITIONS = 49


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are, and of each folder its pictures in alphabetical order.

    Raises:
        CorpusError: a path that is not there, or a folder without pictures.
    """
    files: list[Path] = []
    for path in paths:
        inside = (
            sorted(entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        )
        if not inside or not inside[0].is_file():
            raise CorpusError(
                f"{path}: expected a picture or a folder with pictures ({', '.join(SUFFIXES)}), found none"
            )
        files += inside
    return files


class Captioner(System):
    """Trained models that read pictures.

    Args:
        members: models with an image encoder.
        compute: device and precision.
        look: where pictures come from; None: from files, whose paths are the sources.
    """

    of_pictures = True

    def __init__(self, members: Sequence[Member], compute: Compute, look: Look | None = None) -> None:
        super().__init__(members, compute)
        self.look = look or _read_files

    def caption(self, pictures: Sequence[str], options: DecodingConfig | None = None) -> list[Translation]:
        """The best caption of each picture, in the order given.

        Raises:
            CorpusError: a file is no whole JPEG, PNG or WebP picture.
        """
        return self.best(pictures, options)

    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """Pictures, and maybe the ids of their captions; the same for each member."""
        return [collate_pictures(self.look(sources), targets)] * len(self.members)

    def fill(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Numbers of pictures in their order."""
        together = max(1, budget // _POSITIONS)
        for start in range(0, len(sources), together):
            yield range(start, min(start + together, len(sources)))

    def sizes(self, sources: Sequence[str]) -> None:
        """Pictures have no length."""
        return None


def _read_files(paths: Sequence[str]) -> Tensor:
    return torch.stack([read_image(Path(path)) for path in paths])
