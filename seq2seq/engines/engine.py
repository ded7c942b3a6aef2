"""The contract of every engine, and the one that runs the model itself in torch."""

from dataclasses import dataclass
from typing import Protocol, Self

from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import DecoderState
from seq2seq.search.hypothesis import log_softmax


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
