"""Recurrent sequence-to-sequence models that you train on your own pairs.

Two calls make a translator and use it::

    run = seq2seq.train("tatoeba-en-es")
    translator = seq2seq.load(run)
    print(translator.translate(["Where is the train station?"])[0].text)

Each name in ``__all__`` is imported when it is first used, since torch takes a second to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seq2seq.errors import Seq2SeqError
from seq2seq.version import __version__

if TYPE_CHECKING:
    from seq2seq.decoding.captioner import Captioner
    from seq2seq.decoding.translator import Translator
    from seq2seq.evaluation.evaluate import evaluate
    from seq2seq.reports.report import report
    from seq2seq.training.train import train

    load = Translator.load

__all__ = ["Captioner", "Seq2SeqError", "Translator", "__version__", "evaluate", "load", "report", "train"]

_MODULES = {
    "Captioner": "decoding.captioner",
    "Translator": "decoding.translator",
    "evaluate": "evaluation.evaluate",
    "load": "decoding.translator",
    "report": "reports.report",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    """Imports a public name; ``load`` is ``Translator.load``."""
    if name not in _MODULES:
        raise AttributeError(f"module 'seq2seq' has no attribute {name!r}")
    module = import_module(f"seq2seq.{_MODULES[name]}")
    return module.Translator.load if name == "load" else getattr(module, name)
