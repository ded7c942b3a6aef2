"""Several models that decode together (Sutskever et al. 2014, §3.6: "an ensemble of 5 LSTMs").

Shapes: ``R`` rows being decoded, ``V`` vocabulary.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from seq2seq.model.decoder import Decoder
from seq2seq.model.state import DecoderState
from seq2seq.search.hypothesis import log_softmax
from seq2seq.search.problem import Step

Combination = Literal["average", "log-linear"]


@dataclass(frozen=True, slots=True)
class JointState:
    """The states of all members, with the same rows."""

    members: tuple[DecoderState, ...]

    def select(self, index: Tensor) -> "JointState":
        """The rows ``index`` of every member."""
        return JointState(tuple(state.select(index) for state in self.members))


def joint_step(decoders: Sequence[Decoder], combination: Combination) -> Step[JointState]:
    """One step of one or more decoders."""

    def step(token: Tensor, state: JointState) -> tuple[Tensor, JointState]:
        pairs = [decoder.step(token, member) for decoder, member in zip(decoders, state.members, strict=True)]
        following = JointState(tuple(member for _, member in pairs))
        return combine([logits for logits, _ in pairs], combination), following

    return step


def combine(logits: Sequence[Tensor], combination: Combination) -> Tensor:
    """Log-probabilities (…, V) of the ensemble, or the logits of a single member as they are.

    ``average``: the mean of probabilities. ``log-linear``: the mean of log-probabilities, renormalised.
    """
    if len(logits) == 1:
        return logits[0]
    log_probs = torch.stack([log_softmax(one) for one in logits])
    if combination == "average":
        return log_probs.logsumexp(0) - math.log(len(logits))
    return log_softmax(log_probs.mean(0))
