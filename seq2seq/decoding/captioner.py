"""Pictures in, sentences out (Vinyals et al. 2015)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from seq2seq.corpus.images import SUFFIXES
from seq2seq.decoding.ensemble import load_members
from seq2seq.decoding.readers import ImageReader, LookUp, Member
from seq2seq.decoding.trained_model import TrainedModel
from seq2seq.device import DeviceSpec
from seq2seq.errors import CorpusError


class Captioner(TrainedModel):
    """Trained models that read pictures.

    Args:
        members: models with an image encoder.
        device_spec: device and precision.
        look_up: loads pictures by name; None: the names are paths of files.
    """

    def __init__(self, members: Sequence[Member], device_spec: DeviceSpec, look_up: LookUp | None = None) -> None:
        super().__init__(members, device_spec, ImageReader(members, look_up))

    @classmethod
    def load(
        cls,
        *runs: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "fp32",
        look_up: LookUp | None = None,
    ) -> Self:
        """Loads run folders; several make an ensemble.

        Raises:
            RunError: one is no complete run, or damaged, or reads text, or writes another vocabulary.
            ConfigError: no such device or precision.
        """
        device_spec = DeviceSpec.pick(device, precision)
        return cls(load_members(runs, device_spec, images=True), device_spec, look_up)


def picture_files(paths: Sequence[Path]) -> list[Path]:
    """The paths, and for each folder its pictures in alphabetical order.

    Raises:
        CorpusError: a path does not exist, or a folder has no pictures.
    """
    files: list[Path] = []
    for path in paths:
        found = sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not found or not found[0].is_file():
            kinds = ", ".join(SUFFIXES)
            raise CorpusError(f"{path}: expected a picture or a folder with pictures ({kinds}), found none")
        files += found
    return files
