"""Beam searches that onnxruntime runs from beginning to end.

Shapes: ``N`` sentences, ``L`` of them that are left, ``W`` slots of each, ``C`` chunks of the vocabulary, ``T`` steps.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import torch

from seq2seq.corpus.subword import BOS, EOS
from seq2seq.engines.onnx_graph import Array, run
from seq2seq.engines.onnx_loop import CHUNK, beam_session, greedy_session
from seq2seq.engines.onnx_state import OnnxState
from seq2seq.model.decoder import Decoder
from seq2seq.search.history import History
from seq2seq.search.rules import Banned, MinLength, Rules
from seq2seq.search.slots import Choice

_FREE, _AT_END, _TOO_SHORT = range(3)
"""What a line may do in a step: anything; only end; anything but end."""


class OnnxSearch:
    """Beam searches with one decoder.

    Args:
        decoder: its weights are copied when the first search needs them.
        int8: 8-bit weights.
    """

    def __init__(self, decoder: Decoder, *, int8: bool) -> None:
        self._decoder, self._int8 = decoder, int8

    def run(self, state: OnnxState, rules: Rules, width: int) -> History | None:
        """See :meth:`seq2seq.engines.engine.Engine.beam_search`."""
        limits = _Limits.of(rules, self._decoder.output.out_features)
        if limits is None or width > CHUNK:
            return None
        session = self._greedy if width == 1 else self._beam
        lines, steps, history = np.arange(len(state.packed)), 0, History(len(state.packed))
        slots = _Slots.first(state, width)
        while len(lines):
            # Rows that share nothing leave when their slots are done, others when half of the lines are.
            few = 0 if state.is_loose and width > 1 else len(lines) // 2
            modes = limits.modes[steps:, lines]
            settings = {"modes": modes, "steps": np.array(len(modes)), "few": np.array(few), "strikes": limits.strikes}
            chosen, slots = slots.advanced(session, settings)
            history.extend(chosen, torch.from_numpy(lines))
            steps += len(chosen.token)
            live = np.flatnonzero((slots.total > -np.inf).any(1))
            lines = lines[live]
            if len(lines):
                slots = slots.of(live)
        return history

    @cached_property
    def _greedy(self) -> Any:
        return greedy_session(self._decoder, EOS, int8=self._int8)

    @cached_property
    def _beam(self) -> Any:
        return beam_session(self._decoder, EOS, int8=self._int8)


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
            "total": np.zeros((count, 1), dtype=np.float32),
        }
        if width > 1:
            carried |= {"room": np.full((count, 1), width), "rows": np.arange(count)[:, None]}
        return cls(width, carried, state.by_source)

    @property
    def total(self) -> Array:
        """Log-probability of each, (L, W); -inf in an empty slot."""
        return self.carried["total"]

    def advanced(self, session: Any, settings: dict[str, Array]) -> tuple[Choice, "_Slots"]:
        """What was chosen in some steps, (T, L, W) each, and the slots after them."""
        slots = {"slots": np.arange(self.width)[None]} if self.width > 1 else {}
        outputs = run(session, self.carried | self.memory | settings | slots)
        following = dict(zip(self.carried, outputs[-len(self.carried) :], strict=True))
        *several, token, total = outputs[: -len(self.carried)]
        parent = several[0] if several else np.zeros_like(token)
        return Choice(*map(torch.from_numpy, (parent, token, total))), replace(self, carried=following)

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
class _Limits:
    """Rules as the sessions read them."""

    modes: Array
    """What each sentence may do in each step, (T, N)."""
    strikes: Array
    """-inf for the tokens that are forbidden in each mode, else 0, (3, C, 64)."""

    @classmethod
    def of(cls, rules: Rules, vocab: int) -> Self | None:
        """The limits that rules set; None if they are of other kinds."""
        longest = rules.longest.numpy()
        shortest, banned = np.zeros_like(longest), set[int]()
        if rules.prefix is not None:
            return None
        for strike in rules.strikes:
            match strike:
                case Banned(ids) if int(ids.max()) < CHUNK:
                    banned.update(ids.tolist())
                case MinLength(least):
                    shortest = np.maximum(shortest, least.numpy())
                case _:
                    return None
        step = np.arange(longest.max(initial=0) + 1)[:, None]
        modes = np.where(step >= longest, _AT_END, np.where(step < shortest, _TOO_SHORT, _FREE))
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
