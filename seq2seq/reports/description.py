"""A model and its training in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from seq2seq.config import Config
from seq2seq.config.model import CellKind
from seq2seq.reports.section import Facts, Section
from seq2seq.runs.history import Entry


def describe(config: Config) -> str:
    """What the model is, in a sentence."""
    model = config.model
    reader = _layers(len(model.encoder_widths()), model.cell, "read")
    if model.encoder == "image":
        reader = f"a convolutional network ({model.backbone}) encodes the picture"
    elif model.encoder == "bidirectional":
        reader += " the source in both directions"
    else:
        reader += f" the source {'back to front' if model.reverse_source else 'front to back'}"
    attention = "without attention" if model.attention == "none" else f"with {model.attention} attention"
    writer = _layers(len(model.decoder_widths()), model.decoder_kind(), "write")
    return f"A recurrent sequence-to-sequence model: {reader}, {writer} the target {attention}."


def training_section(config: Config, manifest: Mapping[str, Any], entries: Sequence[Entry], parameters: int) -> Section:
    """What was trained on what, for how long, on which machine.

    Args:
        config: the run's settings.
        manifest: of the run.
        entries: of its log.
        parameters: how many the model has.
    """
    corpus, size = manifest["corpus"], manifest["files"]["model.safetensors"]["bytes"]
    vocabulary = corpus["vocabulary"]
    dropped = [f"{count:,} {reason}" for reason, count in corpus["dropped"].items()]
    facts = [
        ("model", describe(config)),
        ("size", f"{parameters:,} parameters, {size / 1e6:.1f} MB"),
        ("corpus", config.data.path),
        ("training pairs", f"{corpus['kept']:,}{'; dropped: ' + ', '.join(dropped) if dropped else ''}"),
        ("held out", f"{corpus['validation']:,} validation pairs, {corpus['test']:,} test pairs"),
        ("test sources in training", f"{corpus['test sources in training']:,}"),
        ("vocabulary", _pieces(config, vocabulary)),
        *_course(config, manifest, entries),
        ("versions", ", ".join(f"{name} {version}" for name, version in manifest["versions"].items())),
    ]
    both = Facts([(name, value) for name, value in facts if value])
    return Section("Model and training", "training", both.html(), both.markdown())


def _pieces(config: Config, vocabulary: Mapping[str, int]) -> str:
    source = "" if config.data.reads_images else f"{vocabulary['src']:,} source pieces, "
    return f"{source}{vocabulary['tgt']:,} target pieces"


def _course(config: Config, manifest: Mapping[str, Any], entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """How the training went, as far as its log tells."""
    if not entries:
        return [("training", f"the best model is of update {manifest['updates']:,}; no log is left")]
    last = entries[-1].position
    starts = [entry.numbers for entry in entries if entry.kind == "start"]
    machines = dict.fromkeys(
        f"{start.get('machine', 'unknown')} ({start['device']}, {start['precision']}, "
        f"{start['processes']} {'process' if start['processes'] == 1 else 'processes'})"
        for start in starts
        if {"device", "precision", "processes"} <= start.keys()
    )
    resumed = len(starts) - 1
    return [
        ("trained for", f"{last.updates:,} updates, {last.epochs:.1f} epochs, {last.minutes:.1f} minutes"),
        ("best model", f"of update {manifest['updates']:,}"),
        ("resumed", f"{resumed} {'time' if resumed == 1 else 'times'}" if resumed > 0 else ""),
        ("machine", "; ".join(machines)),
        ("seed", str(config.training.seed)),
    ]


def _layers(count: int, cell: CellKind, verb: str) -> str:
    """Subject and predicate: ``1 LSTM layer reads``, ``3 LSTM layers read``."""
    name = {"peephole": "peephole LSTM", "layernorm": "layer-normalised LSTM"}.get(cell, cell.upper())
    return f"{count} {name} {f'layer {verb}s' if count == 1 else f'layers {verb}'}"
