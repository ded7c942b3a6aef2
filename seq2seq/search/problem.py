"""What every search is given: the function that it drives, and what outputs may look like.

Shapes: ``N`` sentences, ``R`` rows, ``V`` vocabulary.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from torch import Tensor

from seq2seq.search.hypothesis import Ranking
from seq2seq.search.rules import Rules

if TYPE_CHECKING:  # They import this module.
    from seq2seq.search.history import History
    from seq2seq.search.recorded import Recordings


class Selectable(Protocol):
    """A decoder's state, one row for each hypothesis, grouped by source."""

    @property
    def is_loose(self) -> bool:
        """Whether sources may have different numbers of rows, because their rows share nothing."""

    def select(self, rows: Tensor, sources: Tensor | None = None) -> Self:
        """The rows ``rows`` (R,), in that order.

        Args:
            rows: grouped by source, and the same number for each unless the state is loose.
            sources: those that these rows belong to, in that order; None: all, as before.
        """


S = TypeVar("S", bound=Selectable)
Step = Callable[[Tensor, S], tuple[Tensor, S]]
"""From a token for each row (R,) and their state to log-probabilities (R, V), which may be
overwritten, and the state after that token."""

WholeSearch = Callable[[S, Rules, int], "History | None"]
"""From the state of all sentences, their rules and a beam's width to what beam search chooses; None: it cannot."""


@dataclass(frozen=True, slots=True)
class SearchProblem(Generic[S]):
    """N sentences to decode."""

    step: Step[S]
    state: S
    """N rows, one for each sentence."""
    bos: int
    rules: Rules
    """For N sentences."""
    ranking: Ranking = field(default_factory=Ranking)
    recordings: "Recordings | None" = None
    """Where steps are recorded; None: they are not."""
    whole_search: "WholeSearch[S] | None" = None
    """What runs beam searches faster than step by step; None: nothing does."""
