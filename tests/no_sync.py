"""A mode in which every operation is an error that makes the host wait for a GPU; it needs no GPU."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# The size of their result, or what Python does next, depends on values that only the device knows.
_WAITING = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "nonzero_numpy",
    "unique_dim",
    "_unique",
    "_unique2",
    "unique_consecutive",
    "unique_dim_consecutive",
}
_INDEXING = {"index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_"}


# On a CPU these read memory without any operation.
_READING = {Tensor.tolist, Tensor.numpy, Tensor.__array__, Tensor.cpu}


@contextmanager
def no_sync() -> Iterator[None]:
    """Raises where a program reads a tensor's values, so that on a GPU the host would wait.

    Reading is ``.item()``, ``.tolist()``, ``bool(tensor)``, ``torch.equal``, ``nonzero``, ``unique``, an index of
    booleans, ``repeat_interleave`` by a tensor of counts, and the like.
    """
    with _Operations(), _Methods():
        yield


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        by_booleans = name in _INDEXING and any(
            isinstance(leaf, Tensor) and leaf.dtype in (torch.bool, torch.uint8) for leaf in tree_leaves(args[1])
        )
        if name in _WAITING or by_booleans or (name == "repeat_interleave" and func._overloadname == "Tensor"):
            raise AssertionError(f"{func} makes the host wait")
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func in _READING:
            raise AssertionError(f"{func.__name__} makes the host wait")
        return func(*args, **(kwargs or {}))
