"""Steps of a search as CUDA graphs: one launch for all that a step does.

A recording has fixed shapes and reads and writes the same tensors every time. So the slots and rules of a search are
copied into its tensors, several steps follow one another without a question, and only then the host asks what is
done. Sentences leave when half of them are done, since every number of sentences needs a recording of its own.

Shapes: ``N`` sentences, ``L`` lines, ``K`` slots of each, ``T`` steps between two questions.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from threading import Lock
from typing import Any, Generic

import torch
from torch import Tensor

from seq2seq.graphs import Recorder
from seq2seq.search.pending import Pending
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.slots import Choice, Slots
from seq2seq.search.step import Method, advance


class Recordings:
    """The recorded steps of a model, kept for later batches of the same shapes.

    They read the model's weights where these were when the step was recorded: change weights in place, or not at all.

    Args:
        recorder: of the model's device.
        steps: T. More of them cost steps after the end, fewer cost questions.
        most: recordings that are kept; each has a state of its own.
    """

    def __init__(self, recorder: Recorder, *, steps: int = 8, most: int = 16) -> None:
        self.recorder, self.steps, self.most = recorder, steps, most
        self._kept: OrderedDict[tuple[object, ...], _Recording[Any]] = OrderedDict()
        self._lock = Lock()  # Two threads would write to the same tensors.

    def finish(self, problem: SearchProblem[S], method: Method, slots: Slots[S], choices: Pending) -> None:
        """Extends hypotheses until none is live.

        Args:
            problem: N sentences; no rule looks back.
            method: how to choose, without the host.
            slots: all lines, after a step, with as many slots as there will ever be.
            choices: gets those of all steps.
        """
        with self._lock:
            recording, line, size = None, slots.line, 0
            while live := _live(slots, method.lines):
                if recording is None or _rounded(len(live)) <= size // 2:
                    size = _rounded(len(live))
                    # Others that are done fill up.
                    sentences = torch.tensor([*live, *[live[0]] * (size - len(live))], device=line.device)
                    slots = _of_sentences(slots, sentences, method.lines, len(live))
                    line = line.view(-1, method.lines)[sentences[: len(live)]].flatten()
                    problem = replace(problem, rules=problem.rules.of(sentences))
                    recording = self._recording(problem, method, slots)
                    recording.load(problem, slots)
                chosen, real = recording.run(self.steps), len(line)
                choices.extend(Choice(chosen.parent[:, :real], chosen.token[:, :real], chosen.total[:, :real]), line)
                slots = recording.slots

    def _recording(self, problem: SearchProblem[S], method: Method, slots: Slots[S]) -> "_Recording[S]":
        """The recording of such a step, perhaps a new one."""
        form = tuple(_form((problem.step, problem.rules, method, slots)))
        recording = self._kept.pop(form, None) or _Recording(self.recorder, problem, method, slots, self.steps)
        self._kept[form] = recording
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)
        return recording


class _Recording(Generic[S]):
    """A step on tensors of its own, and what it chose."""

    def __init__(
        self, recorder: Recorder, problem: SearchProblem[S], method: Method, slots: Slots[S], steps: int
    ) -> None:
        self.recorder, self.method = recorder, method
        self.slots: Slots[S] = _copied(slots)
        self.problem = replace(problem, state=self.slots.state, rules=_copied(problem.rules), recordings=None)
        self.place = torch.zeros_like(slots.step)
        tables = (slots.token, slots.token, slots.total)
        self.chosen = Choice(*(table.new_zeros((steps, *table.shape)) for table in tables))  # (T, L, K) each
        self._repeat: Callable[[], None] | None = None

    def load(self, problem: SearchProblem[S], slots: Slots[S]) -> None:
        """Starts from other slots of the same shapes."""
        _overwrite(self.problem.rules, problem.rules)
        _overwrite(self.slots, slots)

    def run(self, steps: int) -> Choice:
        """Advances the slots and returns what was chosen in each step, (T, L, K)."""
        self.place.zero_()
        for _ in range(steps):
            if self._repeat is None:
                # A step of its own, and the warm-up that a recording needs.
                self._step()
                self._repeat = self.recorder.record(self._step)
            else:
                self._repeat()
        chosen: Choice = _copied(self.chosen)
        return chosen

    def _step(self) -> None:
        slots, choice = advance(self.problem, self.method, self.slots)
        for table, values in zip(_leaves(self.chosen), _leaves(choice), strict=True):
            if isinstance(table, Tensor) and isinstance(values, Tensor):
                table.index_copy_(0, self.place.unsqueeze(0), values.unsqueeze(0))
        _overwrite(self.slots, slots)
        self.place.add_(1)


def _live(slots: Slots[S], lines: int) -> list[int]:
    """The sentences, by place, that have a live hypothesis. The host waits for them."""
    live: list[bool] = (slots.total > -torch.inf).any(1).view(-1, lines).any(1).tolist()
    return [place for place, alive in enumerate(live) if alive]


def _of_sentences(slots: Slots[S], sentences: Tensor, lines: int, real: int) -> Slots[S]:
    """The slots of these sentences, numbered anew, of which only the first ``real`` are live."""
    count, width = slots.total.shape
    of_them = torch.arange(count, device=sentences.device).view(-1, lines)[sentences].flatten()
    kept = slots.keep(sentences, of_them, width).settled()
    kept.total[real * lines :] = -torch.inf
    number = torch.arange(len(of_them), device=sentences.device)
    # Every step says which row each slot goes on from, unless a line has only one.
    row = None if width == 1 else torch.arange(kept.total.numel(), device=sentences.device)
    return replace(kept, line=number, row=row)


def _rounded(count: int) -> int:
    """The least power of two, or three quarters of one, that is no less."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and power * 3 // 4 >= count else power


def _leaves(record: object) -> Iterator[object]:
    """All that is in a record, and in the records and sequences in it, in one order."""
    if is_dataclass(record) and not isinstance(record, type):
        yield type(record)
        for field in fields(record):
            yield from _leaves(getattr(record, field.name))
    elif isinstance(record, list | tuple):
        for item in record:
            yield from _leaves(item)
    else:
        yield record


def _form(record: object) -> Iterator[object]:
    """What two records must have in common if one is to be written over the other: all but the values of tensors."""
    for leaf in _leaves(record):
        yield (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf


def _overwrite(record: object, other: object) -> None:
    """Writes the tensors of another record of the same form over this one's."""
    for old, new in zip(_leaves(record), _leaves(other), strict=True):
        if isinstance(old, Tensor) and isinstance(new, Tensor) and old is not new:
            old.copy_(new)


def _copied(record: Any) -> Any:
    """The same record with tensors of its own."""
    match record:
        case Tensor():
            return record.clone()
        case list() | tuple():
            return type(record)(map(_copied, record))
        case _ if is_dataclass(record) and not isinstance(record, type):
            return replace(record, **{field.name: _copied(getattr(record, field.name)) for field in fields(record)})
        case _:
            return record
