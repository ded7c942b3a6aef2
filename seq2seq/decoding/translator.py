"""Sentences in, sentences out."""

import os
from collections.abc import Sequence
from typing import Self

from seq2seq.decoding.ensemble import load_members
from seq2seq.decoding.readers import Member, TextReader
from seq2seq.decoding.trained_model import TrainedModel
from seq2seq.device import DeviceSpec
from seq2seq.engines.choice import EngineName


class Translator(TrainedModel):
    """Trained models that read text.

    An empty sentence (nothing but white space and characters of no width) has one, empty, translation.

    Args:
        members: one model, or several that decode together.
        device_spec: device and precision.
    """

    reader: TextReader

    def __init__(self, members: Sequence[Member], device_spec: DeviceSpec) -> None:
        super().__init__(members, device_spec, TextReader(members))

    @classmethod
    def load(
        cls,
        *runs: str | os.PathLike[str],
        device: str = "auto",
        precision: str = "fp32",
        engine: EngineName = "auto",
    ) -> Self:
        """Loads run folders; several make an ensemble.

        Raises:
            RunError: one is no complete run, or damaged, or reads pictures, or writes another vocabulary.
            ConfigError: no such device, precision or engine, or they do not go together.
        """
        device_spec = DeviceSpec.pick(device, precision)
        return cls(load_members(runs, device_spec, engine, images=False), device_spec)

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is longer than ``data.max_tokens``, so that only its beginning is read."""
        return self.reader.is_cut(sentence)
