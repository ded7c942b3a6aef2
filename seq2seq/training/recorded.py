"""Whole updates as recordings: on a GPU a CUDA graph for each shape of batch that comes often.

An update makes thousands of small launches, which take a host longer than a GPU needs to do the work; a recording is
launched as one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from seq2seq.config import TrainingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.device import DeviceSpec
from seq2seq.errors import is_out_of_memory, warn
from seq2seq.graphs import Recorder
from seq2seq.training.distributed import World
from seq2seq.training.out_of_memory import cells, fits

# Times that a shape is left to others before it is recorded: the first ones warm up, and a recording, which takes as
# long as two updates or more, does not pay for a shape that is rare.
_UNRECORDED = 3
# Most recordings; each takes some megabytes besides the memory that all of them share.
_MOST = 128

Shape = tuple[object, ...]


def are_recorded(config: TrainingConfig, device_spec: DeviceSpec, world: World) -> bool:
    """True if updates are recorded: on one GPU, by one process, of one batch each, and where settings allow it."""
    alone = world.size == config.accumulate == 1 and not device_spec.layers
    return config.graphs == "auto" and alone and device_spec.device.type == "cuda"


@dataclass(frozen=True, slots=True)
class Recording:
    """An update that can be repeated."""

    batch: Batch
    """What the update reads; a batch is copied into it."""
    repeat: Callable[[], None]


class RecordedUpdates:
    """Makes updates by repeating recordings of them.

    Args:
        recorder: of the device.
        update: on a batch on the device. It must not wait for the device nor decide by Python numbers that change.
        seed: called before each repetition: random seeds have no effect inside a recording.
    """

    def __init__(self, recorder: Recorder, update: Callable[[Batch], None], seed: Callable[[], None]) -> None:
        self._recorder, self._update, self._seed = recorder, update, seed
        self._recordings: dict[Shape, Recording] = {}
        self._times: Counter[Shape] = Counter()
        self._oom_cells = 0  # batches with as many cells are not recorded; 0: any may be

    def make(self, batch: Batch) -> bool:
        """Makes the update on this batch if there is a recording of its shape, or now is the time to make one.

        Returns:
            False if nothing was done: the shape is rare, or memory does not suffice for its recording.
        """
        if not fits(batch, self._oom_cells):
            return False
        try:
            recording = self._of(batch)
            if recording is None:
                return False
            for name, tensor in _tensors(batch).items():
                getattr(recording.batch, name).copy_(tensor, non_blocking=True)
            self._seed()
            recording.repeat()
            return True
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside the except block: with the error go its frames and the tensors of the failed attempt.
        self._refuse(cells(batch))
        return False

    @property
    def holds_memory(self) -> bool:
        """True if there are recordings."""
        return bool(self._recordings)

    def forget(self) -> None:
        """Gives all recordings up, since tensors that they use have been replaced; they are made anew when needed."""
        self._recordings.clear()

    def free(self) -> bool:
        """Gives the memory of all recordings up for ever; False if there were none."""
        if not self.holds_memory:
            return False
        self._refuse(1)
        return True

    def _refuse(self, oom_cells: int) -> None:
        """Frees all recordings, since they share their memory, and makes no more with as many cells."""
        if not self._oom_cells:
            warn(
                "out of memory with CUDA graphs: from now on large updates are made without them, which gives the same "
                "result; a lower training.batch_tokens would be faster"
            )
        self._oom_cells = oom_cells
        self._recordings.clear()
        torch.cuda.empty_cache()

    def _of(self, batch: Batch) -> Recording | None:
        """The recording for a batch of this shape, made now if it is worth it."""
        shape = _shape(batch)
        self._times[shape] += 1
        if shape not in self._recordings and self._is_due(shape):
            device = self._recorder.device
            own: dict[str, Any] = {
                name: torch.empty_like(tensor, device=device) for name, tensor in _tensors(batch).items()
            }
            ours = replace(batch, **own)
            self._recordings[shape] = Recording(ours, self._recorder.record(lambda: self._update(ours)))
        return self._recordings.get(shape)

    def _is_due(self, shape: Shape) -> bool:
        """True if a shape came often enough; it may take the place of the rarest."""
        if self._times[shape] <= _UNRECORDED:
            return False
        if len(self._recordings) < _MOST:
            return True
        rarest = min(self._recordings, key=self._times.__getitem__)
        if self._times[shape] < 2 * self._times[rarest]:
            return False
        del self._recordings[rarest]
        return True


def _shape(batch: Batch) -> Shape:
    """What decides about an update's launches: shapes and types of tensors, and the fields that are none."""
    values = (getattr(batch, field.name) for field in fields(batch))
    return tuple((value.shape, value.dtype) if isinstance(value, Tensor) else value for value in values)


def _tensors(batch: Batch) -> dict[str, Tensor]:
    values = ((field.name, getattr(batch, field.name)) for field in fields(batch))
    return {name: value for name, value in values if isinstance(value, Tensor)}
