"""Pictures in, sentences out (Vinyals et al. 2015)."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.batching import Batch, collate_pictures
from seq2seq.corpus.images import SUFFIXES, read_image
from seq2seq.corpus.subword import Vocabularies
from seq2seq.decoding.system import System, Translation
from seq2seq.errors import CorpusError
from seq2seq.model.compute import Compute
from seq2seq.model.seq2seq import Seq2Seq

Look = Callable[[Sequence[str]], Tensor]
"""From names of pictures to what the encoder reads: feature maps (N, positions, channels) or pixels (N, 3, h, w)."""

# A caption has no source length to go by.
_LONGEST = 50


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
    """A trained model that reads pictures.

    Args:
        model: with an image encoder.
        vocabularies: of its captions.
        config: its settings.
        compute: device and precision.
        look: where pictures come from; None: from files, whose paths are the sources.
    """

    of_pictures = True

    def __init__(
        self,
        model: Seq2Seq,
        vocabularies: Vocabularies,
        config: Config,
        compute: Compute,
        look: Look | None = None,
    ) -> None:
        super().__init__(model, vocabularies, config, compute)
        self.look = look or _read_files

    def caption(self, pictures: Sequence[str], options: DecodingConfig | None = None) -> list[Translation]:
        """The best caption of each picture, in the order given.

        Raises:
            CorpusError: a file is no whole JPEG, PNG or WebP picture.
        """
        return self.best(pictures, options)

    def nbest(
        self, sources: Sequence[str], count: int, options: DecodingConfig | None = None
    ) -> list[list[Translation]]:
        """Up to ``count`` captions of each picture, best first."""
        options = options or self.config.decoding
        together = max(1, options.batch_tokens // (options.beam * 49))
        outputs: list[list[Translation]] = []
        for start in range(0, len(sources), together):
            batch = collate_pictures(self.look(sources[start : start + together]))
            found = self.decode(batch, [options.max_length or _LONGEST] * len(batch.src), options)
            outputs += [captions[:count] for captions in found]
        return outputs

    def batch(self, sources: Sequence[str], targets: Sequence[Sequence[int]]) -> Batch:
        """Pictures and the ids of their captions."""
        return collate_pictures(self.look(sources), targets)


def _read_files(paths: Sequence[str]) -> Tensor:
    return torch.stack([read_image(Path(path)) for path in paths])
