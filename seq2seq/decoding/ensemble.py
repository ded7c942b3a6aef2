"""Trained models in memory: one, or several that decode together (Sutskever et al. 2014, §3.6).

Shapes: ``R`` rows being decoded, ``V`` vocabulary.
"""

import copy
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.decoding.answers import Answering
from seq2seq.decoding.readers import Member, Reader
from seq2seq.device import DeviceSpec, gpu_memory
from seq2seq.engines.choice import EngineName, pick_engine
from seq2seq.engines.engine import Engine, EngineState, TorchEngine, log_softmax
from seq2seq.errors import RunError
from seq2seq.graphs import Recorder
from seq2seq.model.quantised import quantise
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState
from seq2seq.runs.folder import load_run
from seq2seq.search.history import History
from seq2seq.search.recorded import Recordings
from seq2seq.search.rules import Rules

Combination = Literal["average", "log-linear"]


class Ensemble(Answering):
    """Models on one device, and the reader of their sources.

    Args:
        members: one model, or several with the same target vocabulary; weights are of the type they compute in.
        device_spec: device and precision.
        reader: of sentences or of pictures.
    """

    members: tuple[Member, ...]
    reader: Reader

    def __init__(self, members: Sequence[Member], device_spec: DeviceSpec, reader: Reader) -> None:
        self.members = tuple(members)
        self.device_spec = device_spec
        self.reader = reader
        self.gpu_memory = gpu_memory(device_spec.device)
        on_one_gpu = device_spec.device.type == "cuda" and not device_spec.layers
        self.recordings = Recordings(Recorder(device_spec.device)) if on_one_gpu else None

    @property
    def model(self) -> Seq2Seq:
        """The first member's."""
        return self.members[0].model

    def start(
        self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None
    ) -> list[tuple[Batch, DecoderState]]:
        """Each member's batch of the sources, and its decoder's initial state."""
        batches = [batch.to(self.device_spec.device) for batch in self.reader.batches(sources, targets)]
        return [(batch, member.model.encode(batch)[1]) for member, batch in zip(self.members, batches, strict=True)]

    def begin(self, sources: Sequence[str], combination: Combination) -> tuple["JointStep", "JointState"]:
        """What search drives: the step of all members together, and their states before the first token."""
        engines = tuple(member.engine or TorchEngine(member.model) for member in self.members)
        batches = [batch.to(self.device_spec.device) for batch in self.reader.batches(sources)]
        states = tuple(engine.encode(batch) for engine, batch in zip(engines, batches, strict=True))
        return JointStep(engines, combination), JointState(states)

    def snapshot(self) -> Self:
        """The same with copies of the models that are ready to decode, for models that are still being trained."""
        other = copy.copy(self)
        other.members = tuple(
            replace(member, model=copy.deepcopy(member.model), engine=None) for member in self.members
        )
        for member in other.members:
            _prepare(member.model, self.device_spec)
        if self.recordings is not None:
            other.recordings = Recordings(self.recordings.recorder)  # or old copies would live on in ours
        return other

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Evaluation mode and no gradients; restores each model's mode at the end."""
        training = [member.model for member in self.members if member.model.training]
        for model in training:
            model.eval()
        try:
            with torch.inference_mode():
                yield
        finally:
            for model in training:
                model.train()


def load_members(
    runs: Sequence[str | os.PathLike[str]], device_spec: DeviceSpec, engine: EngineName = "auto", *, images: bool
) -> tuple[Member, ...]:
    """Loads run folders to a device.

    Args:
        runs: one or more.
        device_spec: device and precision.
        engine: what searches run the models with, see :func:`seq2seq.engines.choice.pick_engine`.
        images: whether they must read pictures; else text.

    Raises:
        RunError: one is no complete run, or damaged, or reads something else, or writes another vocabulary.
        ConfigError: there is no such engine for this device and precision.
    """
    members: list[Member] = []
    for run in runs:
        loaded = load_run(Path(run))
        if loaded.config.data.reads_images != images:
            kinds, command = ("text, not pictures", "translate") if images else ("pictures, not text", "caption")
            raise RunError(f"{run} reads {kinds}: use 'seq2seq {command}'")
        loaded.model.eval()
        chosen = pick_engine(engine, loaded.model, device_spec)  # from the float32 weights
        _prepare(loaded.model.to(device_spec.device), device_spec)
        members.append(Member(loaded.model, loaded.vocabularies, loaded.config, loaded.target_lengths, engine=chosen))
        if loaded.vocabularies.tgt.model != members[0].vocabularies.tgt.model:
            raise RunError(
                f"{run} and {runs[0]} have different target vocabularies, so they cannot decode together: train "
                "them on one corpus with the same [subword] settings"
            )
    return tuple(members)


def _prepare(model: Seq2Seq, device_spec: DeviceSpec) -> None:
    """Makes a model of float32 weights ready to decode, in place: weights of the type it computes in, no dropout."""
    model.eval()
    if device_spec.int8:
        quantise(model)
        # The decoder stays in float32, even where it shares its embedding with the encoder.
        model.encoder = copy.deepcopy(model.encoder)
        model.encoder.cast(device_spec.dtype)
    else:
        model.cast(device_spec.dtype)


@dataclass(frozen=True, slots=True)
class JointState:
    """The states of all members, with the same rows."""

    members: tuple[EngineState, ...]

    def select(self, rows: Tensor, sources: Tensor | None = None) -> "JointState":
        """The rows ``rows`` of every member, see :meth:`DecoderState.select`."""
        return JointState(tuple(state.select(rows, sources) for state in self.members))

    @property
    def is_loose(self) -> bool:
        """Whether all of them are, see :attr:`DecoderState.is_loose`."""
        return all(state.is_loose for state in self.members)

    def lengthened(self, multiple: int) -> "JointState":
        """Each member's, see :meth:`DecoderState.lengthened`; only torch's steps are recorded."""
        return JointState(
            tuple(state.lengthened(multiple) if isinstance(state, DecoderState) else state for state in self.members)
        )


@dataclass(frozen=True, slots=True)
class JointStep:
    """One step of one or more models; two are the same if they have the same engines and settings."""

    engines: tuple[Engine, ...]
    combination: Combination

    def __call__(self, token: Tensor, state: JointState) -> tuple[Tensor, JointState]:
        """Tokens (R,) to log-probabilities (R, V) and the state after them."""
        pairs = [engine.step(token, member) for engine, member in zip(self.engines, state.members, strict=True)]
        following = JointState(tuple(member for _, member in pairs))
        return combine([log_probs for log_probs, _ in pairs], self.combination), following

    def beam_search(self, state: JointState, rules: Rules, width: int) -> History | None:
        """A whole search, see :meth:`seq2seq.engines.engine.Engine.beam_search`; several models take turns instead."""
        return self.engines[0].beam_search(state.members[0], rules, width) if len(self.engines) == 1 else None


def combine(log_probs: Sequence[Tensor], combination: Combination) -> Tensor:
    """Log-probabilities (…, V) of the ensemble from those of its members.

    ``average``: the mean of probabilities. ``log-linear``: the mean of log-probabilities, renormalised.
    """
    if len(log_probs) == 1:
        return log_probs[0]
    stacked = torch.stack(list(log_probs))
    if combination == "average":
        return stacked.logsumexp(0) - math.log(len(log_probs))
    return log_softmax(stacked.mean(0))
