"""Several processes that train one model, as ``torchrun`` starts them, and what they tell one another.

Each takes its share of an update's batches; then the gradients are added up, so that all of them make the same
step and hold the same weights. Numbers and texts go over gloo, from host to host; gradients over NCCL where they
lie on GPUs. Gradients are added up after the last backward pass rather than within it, as torch's
``DistributedDataParallel`` does: so a process may learn a batch in as many pieces as its memory needs, and a part
of the model may begin to learn later, without the others having to know.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from textwrap import shorten
from typing import Any, TypeVar
from uuid import uuid4

import torch
from torch import Tensor, distributed
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from seq2seq.device import own_device
from seq2seq.errors import ConfigError, RunError

T = TypeVar("T")

# How long one may wait for another that prepares a corpus. Whoever waits for a gradient has torch's own patience.
_PATIENCE = timedelta(days=1)
# Numbers that are added up in one message; a longer gradient goes alone, without being copied.
_MESSAGE = 1 << 23


@dataclass(frozen=True, slots=True)
class World:
    """One process among all that train the model; alone, it exchanges nothing and that costs nothing."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Number on its machine."""
    device: str = "auto"
    """What :meth:`seq2seq.device.DeviceSpec.pick` is to be asked for."""
    patient: Any = None
    """The process group in which one may wait for long."""

    @classmethod
    @contextmanager
    def join(cls, device: str = "auto") -> "Iterator[World]":
        """The processes that ``torchrun`` started, or this one alone.

        Args:
            device: ``auto``, ``cpu``, ``cuda``; each process of a machine takes a GPU of its own.

        Raises:
            ConfigError: not enough GPUs, or an environment that ``torchrun`` did not make.
        """
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            yield cls(device=device)
            return
        try:
            rank, local_rank = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
        except KeyError as error:
            raise ConfigError(
                f"WORLD_SIZE is {size} but {error} is not set: start the processes with torchrun"
            ) from None
        device = own_device(device, local_rank)
        cuda = device.startswith("cuda")
        if cuda:
            torch.cuda.set_device(device)
        store = _meet(next(rendezvous("env://"))[0], rank, size)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=store,
            rank=rank,
            world_size=size,
            device_id=torch.device(device) if cuda else None,
        )
        patient = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        yield cls(rank, size, local_rank, device, patient)
        distributed.destroy_process_group()  # not after an error: NCCL would wait for those that are gone

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """What this process takes of what all have: every n-th."""
        return items[self.rank :: self.size]

    def interleave(self, items: Sequence[T]) -> list[T]:
        """The inverse of :meth:`share`: everybody's results, in the order of what was shared out."""
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        with self._exchange():
            distributed.all_gather_object(parts, list(items), group=self.patient)
        return [parts[place % self.size][place // self.size] for place in range(sum(map(len, parts)))]

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """The numbers that each process has, by rank; there and back before any GPU is asked to wait."""
        if self.size == 1:
            return [list(numbers)]
        said = torch.tensor(numbers, dtype=torch.float64)
        heard = [torch.empty_like(said) for _ in range(self.size)]
        with self._exchange():
            distributed.all_gather(heard, said)
        return [each.tolist() for each in heard]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.size > 1:
            with self._exchange():
                distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Adds up the gradients of all processes, in place and to the same bits everywhere.

        All send as much: what has no part in this process's batches (a backbone that began to learn within this update)
        has a gradient of zero.
        """
        if self.size == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                gradients.append(parameter.grad)
        for message in _messages(gradients):
            flat = self.sum(torch.cat([gradient.flatten() for gradient in message]) if message[1:] else message[0])
            if message[1:]:
                parts = flat.split([gradient.numel() for gradient in message])
                for gradient, part in zip(message, parts, strict=True):
                    gradient.copy_(part.view_as(gradient))

    def broadcast_in_place(self, tensors: Iterable[Tensor]) -> None:
        """Gives every process the values that the first one has, in place."""
        if self.size > 1:
            for tensor in tensors:
                with self._exchange():
                    distributed.broadcast(tensor, src=0)

    def from_rank0(self, work: Callable[[], T]) -> T:
        """What the first process finds. Only it does the work; where that fails, the others leave without a word."""
        if self.size == 1:
            return work()
        said: list[Any] = [False, None]
        try:
            if self.is_main:
                said = [True, work()]
        finally:
            with self._exchange():
                distributed.broadcast_object_list(said, src=0, group=self.patient)
        done, found = said
        if not done:
            raise SystemExit(2)
        return found  # type: ignore[no-any-return]

    def rank0_first(self, work: Callable[[], T]) -> T:
        """Everybody's own result of what the first does before the others, so that they find on disk what it left.

        The first process of each other machine comes next, in case these do not share a disk.
        """
        found: list[T] = []
        self.from_rank0(lambda: found.append(work()))
        for turn in (True, False):
            if not self.is_main and (self.local_rank == 0) is turn:
                found.append(work())
            self.wait()
        return found[0]

    def broadcast(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors that the first process has, sent one by one so that nobody holds them twice."""
        if self.size == 1:
            return tensors
        kinds = self.from_rank0(lambda: {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()})
        found = (
            tensors if self.is_main else {name: torch.empty(shape, dtype=kind) for name, (shape, kind) in kinds.items()}
        )
        self.broadcast_in_place(found.values())
        return found

    def wait(self) -> None:
        """Until all have come this far."""
        if self.size > 1:
            with self._exchange():
                distributed.barrier(group=self.patient)

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # neither gloo nor NCCL has a finer class
            reason = shorten(str(error), 150)
            raise RunError(
                f"process {self.rank} of {self.size} has lost the others ({reason}): one of them ended first, and its "
                "own message says why"
            ) from None


ALONE = World()


def _meet(store: Store, rank: int, size: int) -> Store:
    """A part of the store that only those who start together know.

    ``torchrun`` keeps its store when it restarts the processes, with the addresses of those that died, and numbers
    restarts on each machine apart (pytorch#135712). So every process comes under a name it never had, and the first
    one answers all, those of the dead too, until as many have heard it as there are.
    """
    name = uuid4().hex
    if rank:
        store.set(f"here/{rank}", name)
        name = store.get(name).decode()
        store.add(name, 1)
    while rank == 0 and store.add(name, 0) < size - 1:
        for other in range(1, size):
            store.set(store.get(f"here/{other}").decode(), name)
        time.sleep(0.05)
    return PrefixStore(name, store)


def _messages(tensors: Iterable[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors in order, in groups of at most so many numbers, but for those that are larger themselves."""
    group: list[Tensor] = []
    for tensor in tensors:
        if group and sum(map(Tensor.numel, group)) + tensor.numel() > _MESSAGE:
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group
