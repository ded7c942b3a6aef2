"""Patches that let toolkits of 2022 to 2024 run under Python 3.11 and torch 2.13.

Python imports a module of this name at every start if it is on PYTHONPATH: ``compare_training.py`` and
``compare_engines.py`` put this folder there for the processes of other toolkits only. Their files are not changed.

- fairseq 0.12.2 and hydra 1.0: dataclasses have dataclass instances as defaults, which Python 3.11 refuses if they have
  no hash. They get the hash of plain objects, and behave as under Python 3.10.
- OpenNMT-py 3.5.1 imports spacy and fasttext for transforms that are not used here: empty modules replace them.
- PEERS_MATMUL=medium: float32 products through oneDNN, as in our toolkit (``seq2seq/device.py``).
"""

import dataclasses
import importlib.util
import os
import sys
import types
from typing import Any


def _allow_dataclass_defaults() -> None:
    original = getattr(dataclasses, "_get_field", None)
    if original is None:
        return

    def get_field(cls: type, name: str, *rest: Any) -> Any:
        default = getattr(cls, name, None)
        if isinstance(default, dataclasses.Field):
            default = default.default
        if dataclasses.is_dataclass(default) and type(default).__hash__ is None:
            type(default).__hash__ = object.__hash__  # type: ignore[method-assign]
        return original(cls, name, *rest)

    dataclasses._get_field = get_field  # type: ignore[attr-defined]


def _add_empty_modules(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)


_allow_dataclass_defaults()
_add_empty_modules("spacy", "fasttext")
if matmul := os.environ.get("PEERS_MATMUL"):
    import torch

    torch.set_float32_matmul_precision(matmul)
