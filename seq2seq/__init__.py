"""Recurrent sequence-to-sequence models that you train on your own pairs.

Two calls make a translator and use it::

    run = seq2seq.train("tatoeba-en-es")
    model = seq2seq.load(run)
    print(model.translate("Where is the train station?").text)

What a command does, a function or a method of the same name does. Each name in ``__all__`` is imported when it is first
used, since torch takes a second to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seq2seq.errors import Seq2SeqError
from seq2seq.version import __version__

if TYPE_CHECKING:
    from seq2seq.config import DecodingConfig
    from seq2seq.corpus.new_recipe import new
    from seq2seq.decoding.captioner import Captioner
    from seq2seq.decoding.constraints import Constraints
    from seq2seq.decoding.load import load
    from seq2seq.decoding.trained_model import TrainedModel
    from seq2seq.decoding.translator import Translator
    from seq2seq.evaluation.evaluate import evaluate
    from seq2seq.onnx.export import export
    from seq2seq.reports.inspection import inspect
    from seq2seq.reports.report import report
    from seq2seq.runs.pack import pack
    from seq2seq.training.average import average
    from seq2seq.training.lr_find import lr_find
    from seq2seq.training.prepare import prepare
    from seq2seq.training.status import status
    from seq2seq.training.train import train

__all__ = [
    "Captioner",
    "Constraints",
    "DecodingConfig",
    "Seq2SeqError",
    "TrainedModel",
    "Translator",
    "__version__",
    "average",
    "evaluate",
    "export",
    "inspect",
    "load",
    "lr_find",
    "new",
    "pack",
    "prepare",
    "report",
    "status",
    "train",
]

_MODULES = {
    "Captioner": "decoding.captioner",
    "Constraints": "decoding.constraints",
    "DecodingConfig": "config",
    "TrainedModel": "decoding.trained_model",
    "Translator": "decoding.translator",
    "average": "training.average",
    "evaluate": "evaluation.evaluate",
    "export": "onnx.export",
    "inspect": "reports.inspection",
    "load": "decoding.load",
    "lr_find": "training.lr_find",
    "new": "corpus.new_recipe",
    "pack": "runs.pack",
    "prepare": "training.prepare",
    "report": "reports.report",
    "status": "training.status",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module 'seq2seq' has no attribute {name!r}")
    return getattr(import_module(f"seq2seq.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """The public names."""
    return __all__
