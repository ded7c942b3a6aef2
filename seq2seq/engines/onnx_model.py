"""A model's ONNX graphs, run: its encoder, its decoder's steps, whole beam searches; without importing torch.

Shapes: ``N`` sentences, ``L`` of them that are left, ``W`` slots of each, ``C`` chunks of the vocabulary, ``T`` steps,
``R`` rows, ``S`` source positions, ``V`` vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal, Self

import numpy as np

from seq2seq.corpus.subword import BOS, EOS
from seq2seq.engines.onnx_session import Array, open_session, run
from seq2seq.engines.onnx_state import MEMORY, OnnxState
from seq2seq.search.history import History, Segment

GraphName = Literal["start", "step", "greedy", "beam"]
"""Encoder and bridge (:mod:`seq2seq.engines.onnx_start`), a step of the decoder, a loop of them with one slot for each
sentence, one with several (:mod:`seq2seq.engines.onnx_loop`)."""

CHUNK = 64
"""Tokens in a chunk. The best extensions of a line are in the chunks with the highest maxima, which are found fast."""

# Steps until lines that are done leave, if they do not leave by themselves. A pause costs about a tenth of a step.
_PERIOD = 4

_FREE, _AT_END, _TOO_SHORT = range(3)
"""What a line may do in a step: anything; only end; anything but end."""


def search_graph(width: int) -> GraphName:
    """The graph for a search with so many slots."""
    return "greedy" if width == 1 else "beam"


class OnnxModel:
    """A model as a set of graphs, which are opened when they are first needed.

    Args:
        graph: the content of each one's ONNX file.
        threads: of each session.
    """

    def __init__(self, graph: Callable[[GraphName], bytes], *, threads: int) -> None:
        self.session = cache(lambda name: open_session(graph(name), threads))

    def start(self, src: Array, lengths: Array) -> OnnxState:
        """Sources (N, S) and their lengths (N,) to the state before the first target token."""
        packed, *memory = run(self.session("start"), {"src": src, "lengths": lengths.astype(np.int32)})
        # There is none without attention.
        return OnnxState(packed, dict(zip(MEMORY, memory, strict=False)))

    def step(self, token: Array, state: OnnxState) -> tuple[Array, OnnxState]:
        """Previous tokens (R,) to log-probabilities (R, V) of the next ones, and the state after this step."""
        feeds = {"token": token, "packed": state.packed} | state.by_source
        log_probs, packed = run(self.session("step"), feeds)
        return log_probs, replace(state, packed=packed)

    def search(self, state: OnnxState, limits: "Limits", width: int) -> History:
        """A beam search from beginning to end.

        Args:
            state: before the first token.
            limits: of the outputs of the same sentences.
            width: slots for each, at most ``CHUNK``.
        """
        session = self.session(search_graph(width))
        slots, steps, history = _Slots.first(state, width), 0, History(len(state.packed))
        lines = np.arange(history.lines)
        while len(lines):
            modes = limits.modes[steps:, lines]
            # In a beam, rows that share nothing leave when they are done; for others the search has to pause.
            alone = len(lines) == 1 or (state.is_loose and width > 1)
            most = len(modes) if alone else min(len(modes), _PERIOD)
            settings = {"modes": modes, "steps": np.array(most), "strikes": limits.strikes}
            chosen, slots = slots.advanced(session, settings, lines)
            history.segments.append(chosen)
            steps += len(chosen.token)
            live = np.flatnonzero((slots.total > -np.inf).any(1))
            lines = lines[live]
            if len(lines):
                slots = slots.of(live)
        return history


@dataclass(frozen=True, slots=True)
class _Slots:
    """What a session goes on from, see :mod:`seq2seq.engines.onnx_loop`."""

    width: int
    carried: dict[str, Array]
    memory: dict[str, Array]

    @classmethod
    def first(cls, state: OnnxState, width: int) -> "_Slots":
        """Before the first step."""
        count = len(state.packed)
        carried = {
            "token": np.full(count, BOS),
            "packed": state.packed,
            "total": np.full((count, width), -np.inf, dtype=np.float32),
        }
        carried["total"][:, 0] = 0
        if width > 1:
            carried |= {"room": np.full((count, 1), width), "rows": np.arange(count).repeat(width).reshape(-1, width)}
        return cls(width, carried, state.by_source)

    @property
    def total(self) -> Array:
        """Log-probability of each, (L, W); -inf in an empty slot."""
        return self.carried["total"]

    def advanced(self, session: Any, settings: dict[str, Array], lines: Array) -> tuple[Segment, "_Slots"]:
        """What was chosen in some steps, (T, L, W) each, for lines of these numbers, and the slots after them."""
        slots = {"slots": np.arange(self.width)[None]} if self.width > 1 else {}
        outputs = run(session, self.carried | self.memory | settings | slots)
        following = dict(zip(self.carried, outputs[-len(self.carried) :], strict=True))
        *several, token, total = outputs[: -len(self.carried)]
        parent = several[0] if several else np.zeros_like(token)
        return Segment(lines, parent, token, total), replace(self, carried=following)

    def of(self, lines: Array) -> "_Slots":
        """The slots of these lines, if each slot has a row."""
        carried = {}
        for name, values in self.carried.items():
            per_line = values.reshape(len(self.total), -1, *values.shape[1:])[lines]
            carried[name] = per_line.reshape(-1, *values.shape[1:])
        if "rows" in carried:
            carried["rows"] = np.arange(carried["rows"].size).reshape(-1, self.width)
        return replace(self, carried=carried, memory={name: values[lines] for name, values in self.memory.items()})


@dataclass(frozen=True, slots=True)
class Limits:
    """What outputs may look like, as the sessions read it."""

    modes: Array
    """What each sentence may do in each step, (T, N)."""
    strikes: Array
    """-inf for the tokens that are forbidden in each mode, else 0, (3, C, 64)."""

    @classmethod
    def of(cls, shortest: Sequence[int], longest: Sequence[int], banned: Sequence[int], vocab: int) -> Self:
        """The limits for N sentences.

        Args:
            shortest: least tokens of each output.
            longest: most tokens, which matter more.
            banned: tokens that no output contains, all of the first chunk.
            vocab: V.
        """
        least, most = np.array(shortest, dtype=np.int64), np.array(longest, dtype=np.int64)
        step = np.arange(most.max(initial=0) + 1)[:, None]
        modes = np.where(step >= most, _AT_END, np.where(step < least, _TOO_SHORT, _FREE))
        return cls(modes, _strikes(frozenset(banned), vocab))


@lru_cache(maxsize=64)
def _strikes(banned: frozenset[int], vocab: int) -> Array:
    """The tables of all modes, (3, C, 64)."""
    strikes = np.zeros((3, -(-vocab // CHUNK) * CHUNK), dtype=np.float32)
    strikes[:, sorted(banned)] = -np.inf
    strikes[_TOO_SHORT, EOS] = -np.inf
    strikes[_AT_END] = -np.inf
    strikes[_AT_END, EOS] = 0
    return strikes.reshape(3, -1, CHUNK)
