"""Data-parallel training: several processes, started by ``torchrun``, train one model.

Each rank takes its share of an update's batches; then gradients are summed, so that all ranks make the same step and
hold the same weights. Numbers and texts go over gloo, from host to host; gradients on GPUs go over NCCL. Unlike in
torch's ``DistributedDataParallel`` gradients are summed after the last backward pass, not during it: so a rank may
split its batches as its memory needs, and a part of the model may begin to learn late, unknown to the other ranks.
"""

import os
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
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

# Timeout of exchanges during which another rank may prepare a corpus; gradients have torch's own timeout.
_TIMEOUT = timedelta(days=1)
# Most numbers in one message; a larger gradient is sent alone, without a copy.
_MESSAGE = 1 << 23


@dataclass(frozen=True, slots=True)
class World:
    """One of the processes that train the model; a single process exchanges nothing, at no cost."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    """Rank among the processes of this machine."""
    device: str = "auto"
    """For :meth:`seq2seq.device.DeviceSpec.pick`."""
    patient: Callable[[], Any] = lambda: None
    """Weak reference to a process group with a timeout of a day, so that no ``World`` keeps its threads alive."""

    @classmethod
    @contextmanager
    def join(cls, device: str = "auto") -> "Iterator[World]":
        """Connects the processes that ``torchrun`` started; without it, this process is alone.

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
        # Before there is a group: its functions keep the one that exists at their import as a default argument, and
        # torch's optimisers import them. A group that anything keeps outlives destroy_process_group, and its threads
        # may then abort the process: they destroy tensors while the interpreter ends (pytorch#179291).
        import_module("torch.distributed.nn.functional")
        store = _meet(next(rendezvous("env://"))[0], rank, size)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if cuda else "gloo",
            store=store,
            rank=rank,
            world_size=size,
            device_id=torch.device(device) if cuda else None,
        )
        patient = weakref.ref(distributed.new_group(backend="gloo", timeout=_TIMEOUT))
        yield cls(rank, size, local_rank, device, patient)
        distributed.destroy_process_group()  # not after an error: it may wait for dead ranks, and the error is not said

    @property
    def is_main(self) -> bool:
        """True on rank 0, which writes files and messages."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """The share of this rank in items that all ranks have: every ``size``-th."""
        return items[self.rank :: self.size]

    def interleave(self, items: Sequence[T]) -> list[T]:
        """The inverse of :meth:`share`: the items of all ranks, in their original order."""
        if self.size == 1:
            return list(items)
        parts: list[Any] = [None] * self.size
        with self._exchange():
            distributed.all_gather_object(parts, list(items), group=self.patient())
        return [parts[place % self.size][place // self.size] for place in range(sum(map(len, parts)))]

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        """The numbers of every rank, by rank; exchanged between hosts, so that no GPU waits."""
        if self.size == 1:
            return [list(numbers)]
        row = torch.tensor(numbers, dtype=torch.float64)
        rows = [torch.empty_like(row) for _ in range(self.size)]
        with self._exchange():
            distributed.all_gather(rows, row)
        return [row.tolist() for row in rows]

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place."""
        if self.size > 1:
            with self._exchange():
                distributed.all_reduce(tensor)
        return tensor

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Sums the gradients of all ranks, in place and to the same bits on each.

        All ranks send gradients of the same size: a parameter that none of this rank's batches used (of a backbone that
        begins to learn within this update) sends zeros.
        """
        if self.size == 1:
            return
        gradients = []
        for parameter in parameters:
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                gradients.append(parameter.grad)
        for message in _messages(gradients):
            if len(message) == 1:
                self.sum(message[0])  # without a copy
                continue
            flat = self.sum(torch.cat([gradient.flatten() for gradient in message]))
            for gradient, part in zip(message, flat.split(list(map(Tensor.numel, message))), strict=True):
                gradient.copy_(part.view_as(gradient))

    def broadcast_in_place(self, tensors: Iterable[Tensor]) -> None:
        """Overwrites the tensors of all ranks with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                with self._exchange():
                    distributed.broadcast(tensor, src=0)

    def from_rank0(self, work: Callable[[], T]) -> T:
        """Runs ``work`` on rank 0 only and returns its result on all ranks; if it fails, the other ranks exit."""
        if self.size == 1:
            return work()
        message: list[Any] = [False, None]
        try:
            if self.is_main:
                message = [True, work()]
        finally:
            with self._exchange():
                distributed.broadcast_object_list(message, src=0, group=self.patient())
        done, result = message
        if not done:
            raise SystemExit(2)  # rank 0 prints the error
        return result  # type: ignore[no-any-return]

    def rank0_first(self, work: Callable[[], T]) -> T:
        """Runs ``work`` on rank 0 first, so that the other ranks reuse its files; each rank returns its own result.

        The first process of each other machine comes next, in case machines do not share a disk.
        """
        result: list[T] = []
        self.from_rank0(lambda: result.append(work()))
        for first_of_machine in (True, False):
            if not self.is_main and (self.local_rank == 0) is first_of_machine:
                result.append(work())
            self.wait()
        return result[0]

    def broadcast(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of rank 0, sent one by one, so that no rank holds them twice."""
        if self.size == 1:
            return tensors
        kinds = self.from_rank0(lambda: {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()})
        if not self.is_main:
            tensors = {name: torch.empty(shape, dtype=dtype) for name, (shape, dtype) in kinds.items()}
        self.broadcast_in_place(tensors.values())
        return tensors

    def wait(self) -> None:
        """Blocks until all ranks have called it."""
        if self.size > 1:
            with self._exchange():
                distributed.barrier(group=self.patient())

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """Turns a lost connection into an error message.

        Raises:
            RunError: another rank is gone.
        """
        try:
            yield
        except RuntimeError as error:  # gloo and NCCL have no finer class
            reason = shorten(str(error), 150)
            raise RunError(
                f"process {self.rank} of {self.size} has lost the others ({reason}): one of them ended first, and its "
                "own message says why"
            ) from None


ALONE = World()


def _meet(store: Store, rank: int, size: int) -> Store:
    """A part of the store that only processes started together use.

    ``torchrun`` keeps its store when it restarts the processes, with the addresses of the dead ones, and counts
    restarts on each machine separately (pytorch#135712). So every process registers under a fresh name, and rank 0
    answers all names, dead ones included, until as many processes have read the answer as there are ranks.
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
    """Tensors in order, in groups of at most ``_MESSAGE`` numbers; a larger tensor is alone."""
    group: list[Tensor] = []
    for tensor in tensors:
        if group and sum(map(Tensor.numel, group)) + tensor.numel() > _MESSAGE:
            yield group
            group = []
        group.append(tensor)
    if group:
        yield group
