"""A whole beam search as one ONNX graph: a loop around the step of :mod:`seq2seq.engines.onnx_decoder`.

It chooses as :class:`seq2seq.search.beam.Beam` does.

Shapes: ``L`` lines, one for each sentence, ``W`` slots of each, ``R`` rows, ``P`` width of the packed state, ``V``
vocabulary, filled up to ``C`` chunks of 64 tokens, ``M`` chunks that are looked at, ``T`` steps.
"""

from abc import ABC, abstractmethod

import numpy as np
from onnx import TensorProto

from seq2seq.engines.onnx_decoder import declare_memory, packed_size, write_step
from seq2seq.engines.onnx_graph import Graph
from seq2seq.engines.onnx_model import CHUNK
from seq2seq.model.decoder import Decoder

_INT = TensorProto.INT64


def greedy_graph(decoder: Decoder, eos: int, *, int8: bool) -> bytes:
    """The ONNX file of a search with one slot in each line.

    It takes

    - ``packed`` (L, P), ``token`` (L,) and ``total`` (L, 1) as in :class:`seq2seq.search.slots.Slots`, and the memory;
    - ``modes`` (T, L): what each line may do in each step, the number of a table of
    - ``strikes`` (modes, C, 64): -inf for what is forbidden, else 0; beyond the first chunk for all tokens or none;
    - ``steps``: how many at most, a scalar; fewer if no line is live any more.

    It returns the ``token`` and ``total`` that were chosen in each step, (steps, L, 1) each, and ``token``, ``packed``
    and ``total`` to go on from.
    """
    return _file(_Greedy(decoder, eos, int8=int8))


def beam_graph(decoder: Decoder, eos: int, *, int8: bool) -> bytes:
    """The ONNX file of a search with several slots in each line.

    It takes besides ``room`` (L, 1), ``rows`` (L, W), the row of each slot, and ``slots`` (1, W), their numbers. It
    returns the ``parent`` that was chosen, too, and ``room`` and ``rows``.
    """
    return _file(_Beam(decoder, eos, int8=int8))


def _file(loop: "_Loop") -> bytes:
    outer = loop.outer
    proto = loop.body.proto(loop.write())
    carried = len(loop.carried)
    outputs = outer.ops(len(proto.output) - 1, "Loop", "steps", "", *loop.carried, body=proto)
    token, packed = (outer.op("Squeeze", one, outer.constant([0])) for one in outputs[:2])
    return outer.file([*outputs[carried:], token, packed, *outputs[2:carried]])


class _Loop(ABC):
    """What both searches do."""

    def __init__(self, decoder: Decoder, eos: int, *, int8: bool) -> None:
        self.chunks = -(-decoder.output.out_features // CHUNK)
        self.outer, self.body = Graph(int8=int8), Graph(int8=int8, name="body_")
        self.carried: list[str] = []
        self.outer.input("steps", dtype=_INT)
        self.outer.input("modes", "T", "L", dtype=_INT)
        self.outer.input("strikes", "modes", "C", CHUNK)
        memory = declare_memory(self.outer, decoder)
        self.loose = not memory
        round_number = self.body.input("round", dtype=_INT)
        self.body.input("going", dtype=TensorProto.BOOL)
        token = self.carry(self.sequence(self.outer.input("token", "R", dtype=_INT)), 1, None, dtype=_INT)
        size = packed_size(decoder)
        packed = self.carry(self.sequence(self.outer.input("packed", "R", size)), 1, None, size)
        self.total = self.carry(self.outer.input("total", "L", "W"), None, None)
        # (1, R, V) and (1, R, P)
        self.log_probs, self.packed = write_step(self.body, decoder, token, packed, memory, multiple=CHUNK)
        # What is added to the log-probability of a hypothesis with its last token, so that complete ones are not live.
        ends = np.where(np.arange(self.chunks * CHUNK) == eos, -np.inf, 0).astype(np.float32)
        self.ends = self.body.constant(ends)
        self.mode = self.body.op("Gather", "modes", round_number)  # (L,)

    @abstractmethod
    def write(self) -> list[str]:
        """Writes a round down: whether it goes on, what it goes on from, what was chosen."""

    def carry(self, start: str, *shape: int | None, dtype: int = TensorProto.FLOAT) -> str:
        """Declares a value that a round takes from the round before; its name in the body."""
        self.carried.append(start)
        return self.body.input(f"body_{start}", *shape, dtype=dtype)

    def sequence(self, rows: str) -> str:
        """Values (R, …) as a sequence of one, (1, R, …)."""
        return self.outer.op("Unsqueeze", rows, self.outer.constant([0]))

    def live(self, best: str, token: str) -> str:
        """Log-probabilities (L, W) of the choices that can be extended, -inf for others."""
        return self.body.op("Add", best, self.body.op("Gather", self.ends, token))

    def is_there(self, total: str) -> str:
        """True where a log-probability is one: not so if it is -inf or not a number."""
        return self.body.op("Greater", total, self.number(-np.inf))

    def going(self, total: str) -> str:
        """Whether anything can be extended."""
        return self.is_there(self.body.op("ReduceMax", total, keepdims=0))

    def number(self, value: float) -> str:
        """A scalar."""
        return self.body.constant(np.array(value, dtype=np.int64 if isinstance(value, int) else np.float32))

    def numbers(self, *values: int) -> str:
        """A shape, axes and the like."""
        return self.body.constant(values)


class _Greedy(_Loop):
    """One slot in each line, whose row stays where it is."""

    def write(self) -> list[str]:
        body = self.body
        strikes = self.outer.op("Reshape", "strikes", self.outer.constant([0, -1]))  # (modes, V)
        log_probs = body.op("Squeeze", self.log_probs, self.numbers(0))
        allowed = body.op("Add", log_probs, body.op("Gather", strikes, self.mode))  # (L, V)
        best, token = body.ops(2, "TopK", allowed, self.numbers(1), axis=1)
        best = body.op("Add", best, self.total)
        total = self.live(best, token)
        return [self.going(total), body.op("Reshape", token, self.numbers(1, -1)), self.packed, total, token, best]


class _Beam(_Loop):
    """Several slots in each line. Rows are those of live slots if they share nothing, else of all slots."""

    def __init__(self, decoder: Decoder, eos: int, *, int8: bool) -> None:
        super().__init__(decoder, eos, int8=int8)
        self.room = self.carry(self.outer.input("room", "L", 1, dtype=_INT), None, 1, dtype=_INT)
        self.rows = self.carry(self.outer.input("rows", "L", "W", dtype=_INT), None, None, dtype=_INT)
        self.outer.input("slots", 1, "W", dtype=_INT)

    def write(self) -> list[str]:
        body = self.body
        parent, token, best = self._best()
        # A slot beyond the room of its line stays empty.
        best = body.op("Where", body.op("Less", "slots", self.room), best, self.number(-np.inf))
        total = self.live(best, token)
        live = self.is_there(total)
        ended = body.op("Cast", body.op("Xor", self.is_there(best), live), to=_INT)
        room = body.op("Sub", self.room, body.op("ReduceSum", ended, self.numbers(1)))
        row = body.op("Reshape", self._at(self.rows, parent), self.numbers(-1))
        last = body.op("Reshape", token, self.numbers(1, -1))
        slots = body.op("Reshape", live, self.numbers(-1))
        if self.loose:
            kept = body.op("Reshape", body.op("NonZero", slots), self.numbers(-1))
            row, last = body.op("Gather", row, kept), body.op("Gather", last, kept, axis=1)
            # So many slots before each are live. An empty slot has another's row.
            number = body.op("CumSum", body.op("Cast", slots, to=_INT), self.number(0))
            number = body.op("Sub", number, self.number(1))
        else:
            number = body.op("Range", self.number(0), body.op("Size", slots), self.number(1))
        rows = body.op("Reshape", number, body.op("Shape", parent))
        packed = body.op("Gather", self.packed, row, axis=1)
        return [self.going(total), last, packed, total, room, rows, parent, token, best]

    def _best(self) -> tuple[str, str, str]:
        """The best extensions of each line, as :func:`seq2seq.search.best.best_extensions` finds them.

        Returns:
            Their parents, tokens and log-probabilities, (L, W) each.
        """
        body, outer = self.body, self.outer
        mode = body.op("Unsqueeze", self.mode, self.numbers(1))  # (L, 1)
        width = outer.op("Shape", "slots", start=1)
        # 1. The chunks with the highest maxima, of all hypotheses of a line, (L, M). The maximum may be that of a token
        # that is forbidden, but only in the first chunk of each hypothesis: W more are looked at.
        bounds = self._bounds(mode)  # (L, W·C)
        all_chunks = outer.op("Mul", width, outer.constant([self.chunks]))
        most = outer.op("Min", outer.op("Mul", width, outer.constant([2])), all_chunks)
        _, place = body.ops(2, "TopK", bounds, most, axis=1)
        parent, chunk = self._split(place, self.chunks)
        # 2. Their tokens, (L, M, 64).
        log_probs = body.op("Reshape", self.log_probs, self.numbers(-1, CHUNK))
        values = self._chunk(log_probs, self._at(self.rows, parent), chunk)
        strikes = self._chunk(outer.op("Reshape", "strikes", outer.constant([-1, CHUNK])), mode, chunk)
        base = body.op("Unsqueeze", self._at(self.total, parent), self.numbers(2))
        sums = body.op("Add", body.op("Add", values, strikes), base)
        # 3. The best of these.
        sums = body.op("Reshape", sums, self.numbers(0, -1))
        best, place = body.ops(2, "TopK", sums, width, axis=1)
        index, token = self._split(place, CHUNK)
        token = body.op("Add", body.op("Mul", self._at(chunk, index), self.number(CHUNK)), token)
        return self._at(parent, index), token, best

    def _bounds(self, mode: str) -> str:
        """The highest log-probability of a hypothesis with any token of a chunk that is not all forbidden, (L, W·C).

        Args:
            mode: (L, 1).
        """
        body, outer = self.body, self.outer
        tokens = body.op("Reshape", self.log_probs, self.numbers(-1, self.chunks, CHUNK))  # (R, C, 64)
        maxima = body.op("ReduceMax", tokens, self.numbers(2), keepdims=0)  # (R, C)
        strikes = outer.op("ReduceMax", "strikes", outer.constant([2]), keepdims=0)  # (modes, C)
        bounds = body.op("Add", body.op("Gather", maxima, self.rows), body.op("Gather", strikes, mode))
        total = body.op("Unsqueeze", self.total, self.numbers(2))
        return body.op("Reshape", body.op("Add", bounds, total), self.numbers(0, -1))

    def _split(self, place: str, size: int) -> tuple[str, str]:
        """Places in a row of groups of a size to numbers of groups, and places in these."""
        return self.body.op("Div", place, self.number(size)), self.body.op("Mod", place, self.number(size))

    def _at(self, values: str, index: str) -> str:
        """In each line, the values at these places."""
        return self.body.op("GatherElements", values, index, axis=1)

    def _chunk(self, chunks: str, row: str, chunk: str) -> str:
        """The chunks number ``chunk`` (L, M) of rows ``row`` of chunks (rows·C, 64)."""
        place = self.body.op("Add", self.body.op("Mul", row, self.number(self.chunks)), chunk)
        return self.body.op("Gather", chunks, place)
