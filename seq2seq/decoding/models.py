"""Loaded models that decode together: one, or an ensemble."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from seq2seq.config import Config
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import Vocabularies
from seq2seq.decoding.readers import Member, Reader
from seq2seq.device import DeviceSpec
from seq2seq.errors import RunError
from seq2seq.model.quantised import quantise
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState
from seq2seq.runs.folder import load_run


class Ensemble:
    """Models on one device, and the reader of their sources.

    Args:
        members: one model, or several with the same target vocabulary.
        device_spec: device and precision.
        reader: of sentences or of pictures.
    """

    def __init__(self, members: Sequence[Member], device_spec: DeviceSpec, reader: Reader) -> None:
        self.members = tuple(members)
        self.device_spec = device_spec
        self.reader = reader

    @property
    def model(self) -> Seq2Seq:
        """The first member's."""
        return self.members[0].model

    @property
    def vocabularies(self) -> Vocabularies:
        """The first member's; all have the same target vocabulary."""
        return self.members[0].vocabularies

    @property
    def config(self) -> Config:
        """The first member's; ``config.decoding`` holds the defaults of every call."""
        return self.members[0].config

    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """A batch for each member, of the sources and, if given, target ids."""
        return self.reader.batches(self.members, sources, targets)

    def group(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Row numbers of the sources to decode together; see :meth:`seq2seq.decoding.readers.Reader.group`."""
        return self.reader.group(self.members, sources, budget)

    def lengths(self, sources: Sequence[str]) -> list[int] | None:
        """Tokens of each source; None for pictures."""
        return self.reader.lengths(self.members, sources)

    def is_empty(self, source: str) -> bool:
        """Whether a source has no tokens; then its one output is empty too."""
        return self.lengths([source]) == [0]

    def start(
        self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[tuple[Batch, DecoderState]]:
        """Each member's batch of the sources, and its decoder's initial state."""
        batches = [batch.to(self.device_spec.device) for batch in self.batches(sources, targets)]
        return [(batch, member.model.encode(batch)[1]) for member, batch in zip(self.members, batches, strict=True)]

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Evaluation mode, no gradients, the chosen precision; restores each model's mode at the end."""
        training = [member.model.training for member in self.members]
        for member in self.members:
            member.model.eval()
        try:
            with torch.inference_mode(), self.device_spec.autocast():
                yield
        finally:
            for member, mode in zip(self.members, training, strict=True):
                member.model.train(mode)


def load_members(
    runs: Sequence[str | os.PathLike[str]], device_spec: DeviceSpec, *, images: bool
) -> tuple[Member, ...]:
    """Loads run folders to a device.

    Args:
        runs: one or more.
        device_spec: device and precision.
        images: whether they must read pictures; else text.

    Raises:
        RunError: one is no complete run, or damaged, or reads something else, or writes another vocabulary.
    """
    members: list[Member] = []
    for run in runs:
        loaded = load_run(Path(run))
        if loaded.config.data.reads_images != images:
            kinds, command = ("text, not pictures", "translate") if images else ("pictures, not text", "caption")
            raise RunError(f"{run} reads {kinds}: use 'seq2seq {command}'")
        model = loaded.model.to(device_spec.device).eval()
        if device_spec.int8:
            quantise(model)
        members.append(Member(model, loaded.vocabularies, loaded.config))
        if loaded.vocabularies.tgt.model != members[0].vocabularies.tgt.model:
            raise RunError(
                f"{run} and {runs[0]} have different target vocabularies, so they cannot decode together: train "
                "them on one corpus with the same [subword] settings"
            )
    return tuple(members)
