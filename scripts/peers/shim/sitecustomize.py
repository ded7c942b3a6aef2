"""What Python 3.11 and torch 2.13 need before they can run toolkits of 2022 to 2024.

Python imports a module of this name at every start, if it stands on PYTHONPATH: ``compare_peers.py`` puts this folder
there for the processes of other toolkits, and only for those. Nothing of theirs is changed on disk.

- fairseq 0.12.2 and hydra 1.0: settings classes have other settings classes as defaults, which Python 3.11 refuses
  where these have no hash. They get the hash of plain objects back, and behave as under Python 3.10.
- OpenNMT-py 3.5.1 imports spacy and fasttext for transforms that are not used here: empty modules stand in.
- JoeyNMT 2.3.0 reads ``testing.min_output_length``, says so in its log, and does not hand it to its search:
  PEERS_JOEY_LEAST does.
- PEERS_MATMUL=medium: float32 products through oneDNN, as our toolkit has them (``seq2seq/device.py``).
- ``torch.load`` of checkpoints that hold more than tensors is no matter of this file but of the variable
  TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1, which ``compare_peers.py`` sets as well; it reads files that it has just written.
"""

import dataclasses
import functools
import importlib
import importlib.util
import os
import sys
import types
from typing import Any


def _let_defaults_be_settings() -> None:
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


def _stand_in(*names: str) -> None:
    for name in names:
        if importlib.util.find_spec(name) is None:
            sys.modules[name] = types.ModuleType(name)


def _hand_over_least_length(least: int) -> None:
    prediction = importlib.import_module("joeynmt.prediction")
    prediction.search = functools.partial(prediction.search, min_output_length=least)  # type: ignore[attr-defined]


_let_defaults_be_settings()
_stand_in("spacy", "fasttext")
if matmul := os.environ.get("PEERS_MATMUL"):
    import torch

    torch.set_float32_matmul_precision(matmul)
if joey_least := os.environ.get("PEERS_JOEY_LEAST"):
    _hand_over_least_length(int(joey_least))
