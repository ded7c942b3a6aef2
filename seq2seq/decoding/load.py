"""Run folders → trained models in memory."""

import os
from collections.abc import Sequence
from pathlib import Path

from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.trained_model import TrainedModel
from seq2seq.decoding.translator import Translator
from seq2seq.engines.choice import EngineName
from seq2seq.errors import RunError
from seq2seq.runs.layout import read_config

Run = str | os.PathLike[str]


def load(
    runs: Run | Sequence[Run], *, device: str = "auto", precision: str = "fp32", engine: EngineName = "auto"
) -> TrainedModel:
    """Loads a run, or several that decode together as an ensemble.

    >>> model = seq2seq.load(run)
    >>> ensemble = seq2seq.load([run, run], device="cpu")
    >>> ensemble.translate("123").text == model.translate("123").text
    True

    Args:
        runs: run folders.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: ``fp32``, ``bf16``, ``fp16``, ``int8`` or ``auto``.
        engine: what runs the models: ``torch``, ``onnx`` (onnxruntime, on a CPU) or ``auto``, the faster one.

    Raises:
        RunError: one is no complete run, or damaged, or they read or write different things.
        ConfigError: no such device, precision or engine, or they do not go together.
    """
    folders = [runs] if isinstance(runs, str | os.PathLike) else list(runs)
    if not folders:
        raise RunError("expected a run to load, found an empty list")
    reads_images = read_config(Path(folders[0])).data.reads_images
    kind = Captioner if reads_images else Translator
    return kind.load(*folders, device=device, precision=precision, engine=engine)
