"""The run's README: what the model is, its scores, and samples of its outputs."""

from textwrap import shorten

from seq2seq.config import Config
from seq2seq.config.model import CellKind
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.metrics.names import ERROR_RATES, LABELS

_SAMPLES = 12


def model_card(evaluated: EvaluatedRun) -> str:
    """Markdown with scores, settings and outputs at even distances through the set, so that none is hand-picked."""
    scores = evaluated.scores
    kind, command = "sentences", "echo 'your sentence' | seq2seq translate --model ."
    if evaluated.config.data.reads_images:
        kind, command = "pictures", "seq2seq caption --model . picture.jpg"
    lines = [
        f"# {evaluated.name}",
        "",
        _description(evaluated.config),
        "",
        "## Use",
        "",
        "```",
        command,
        "```",
        "",
        "## Scores",
        "",
        f"{scores['sentences']} {kind} of {scores['split']}, "
        f"beam {scores['beam']}, {scores['sentences'] / max(scores['seconds'], 1e-9):.0f} per second, "
        f"exact match {scores['exact_match']:.1%}.",
        "",
        "| metric | score | 95 % interval | signature |",
        "|---|---|---|---|",
    ]
    for key, label in LABELS.items():
        if not (score := scores.get(key)):
            continue
        label += " (lower is better)" if key in ERROR_RATES else ""
        label += score["note"] and f" ({score['note']})"
        interval = f"{score['low']:.1f} – {score['high']:.1f}"
        lines.append(f"| {label} | {score['score']:.1f} | {interval} | {_table_cell(score['signature'])} |")
    if captions := scores["captions"]:
        labels = {f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)} | {"cider_d": "CIDEr-D (0 to 10)"}
        signature = _table_cell(captions["signature"])
        lines += [f"| {label} | {captions[key]:.2f} | | {signature} |" for key, label in labels.items()]
    lines += ["", "## Samples", "", "| source | reference | output |", "|---|---|---|"]
    samples = list(zip(evaluated.sources, evaluated.references, evaluated.outputs, strict=True))
    for source, references, output in samples[:: max(1, len(samples) // _SAMPLES)][:_SAMPLES]:
        lines.append(f"| {_table_cell(source)} | {_table_cell(references[0])} | {_table_cell(output.text)} |")
    return "\n".join(lines) + "\n"


def _description(config: Config) -> str:
    model = config.model
    reader = _layers(len(model.encoder_widths()), model.cell, "read")
    if model.encoder == "image":
        reader = f"a convolutional network ({model.backbone}) encodes the picture"
    elif model.encoder == "bidirectional":
        reader += " the source in both directions"
    else:
        reader += f" the source {'back to front' if model.reverse_source else 'front to back'}"
    return (
        f"A recurrent sequence-to-sequence model: {reader}, "
        f"{_layers(len(model.decoder_widths()), model.decoder_kind(), 'write')} the target; "
        f"attention: {model.attention}. Trained on `{config.data.path}` with seq2seq."
    )


def _layers(count: int, cell: CellKind, verb: str) -> str:
    """Subject and predicate: ``1 LSTM layer reads``, ``3 LSTM layers read``."""
    name = {"peephole": "peephole LSTM", "layernorm": "layer-normalised LSTM"}.get(cell, cell.upper())
    return f"{count} {name} {f'layer {verb}s' if count == 1 else f'layers {verb}'}"


def _table_cell(text: str) -> str:
    """Text that cannot break out of a table's cell, shortened if it is long."""
    return shorten(text, 300).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
