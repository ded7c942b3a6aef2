"""The contract of every engine, and the one that runs the model itself in torch."""

from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState
from seq2seq.search.history import History
from seq2seq.search.rules import Rules


class EngineState(Protocol):
    """A decoder's state as search selects its rows, see :class:`seq2seq.search.problem.Selectable`."""

    @property
    def is_loose(self) -> bool:
        """Whether sources may have different numbers of rows."""

    def select(self, rows: Tensor, sources: Tensor | None = None) -> Self:
        """The rows ``rows``."""


class Engine(Protocol):
    """Runs one model. Its state is its own: no other engine can go on from it."""

    def encode(self, batch: Batch) -> EngineState:
        """The state before the first target token, one row for each source."""

    # Any state, since an ensemble may have members of several engines.
    def step(self, token: Tensor, state: EngineState) -> tuple[Tensor, EngineState]:
        """Previous tokens (R,) to log-probabilities (R, V) of the next ones, and the state after this step."""

    def beam_search(self, state: EngineState, rules: Rules, width: int) -> History | None:
        """A whole search, faster than step by step, from the state before the first token.

        Args:
            state: of all sentences that the rules are for.
            rules: what outputs may look like.
            width: slots for each sentence.

        Returns:
            What was chosen; None if such a search has to be run step by step.
        """


def log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities of the last axis, in float32 at least."""
    return torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))


@dataclass(frozen=True, slots=True)
class TorchEngine:
    """Every model, on every device, in every precision."""

    model: Seq2Seq

    def encode(self, batch: Batch) -> DecoderState:
        """See :meth:`Engine.encode`."""
        return self.model.decoder.read_first_input(self.model.encode(batch)[1])

    def step(self, token: Tensor, state: EngineState) -> tuple[Tensor, DecoderState]:
        """See :meth:`Engine.step`."""
        assert isinstance(state, DecoderState)
        logits, following = self.model.decoder.step(token, state)
        return log_softmax(logits), following

    def beam_search(self, state: EngineState, rules: Rules, width: int) -> None:
        """See :meth:`Engine.beam_search`: all searches are run step by step."""
