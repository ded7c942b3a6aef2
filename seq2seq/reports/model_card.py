"""The run's README: what the model is, how good it is, what its translations look like."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

from seq2seq.config import Config
from seq2seq.corpus.pairs import Pair

_SAMPLES = 12


def model_card(
    name: str, config: Config, evaluation: dict[str, Any], pairs: Sequence[Pair], outputs: Sequence[str]
) -> str:
    """Markdown with scores, settings and translations spread evenly over the set, none of them chosen."""
    picture, text = "seq2seq caption --model . picture.jpg", "echo 'your sentence' | seq2seq translate --model ."
    lines = [
        f"# {name}",
        "",
        _description(config),
        "",
        "## Use",
        "",
        "```",
        picture if config.data.reads_images else text,
        "```",
        "",
        "## Scores",
        "",
        f"{evaluation['sentences']} sentences of {evaluation['split']}, beam {evaluation['beam']}, "
        f"{evaluation['sentences'] / max(evaluation['seconds'], 1e-9):.0f} sentences/s, "
        f"exact match {evaluation['exact_match']:.1%}.",
        "",
        "| metric | score | 95 % interval | signature |",
        "|---|---|---|---|",
    ]
    for key, label in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER (lower is better)")):
        score = evaluation[key]
        interval = f"{score['low']:.1f} – {score['high']:.1f}"
        lines.append(f"| {label} | {score['score']:.1f} | {interval} | {_cell(score['signature'])} |")
    if captions := evaluation["captions"]:
        names = {f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)} | {"cider_d": "CIDEr-D (0 to 10)"}
        signature = _cell(captions["signature"])
        lines += [f"| {label} | {captions[key]:.2f} | | {signature} |" for key, label in names.items()]
    lines += ["", "## Samples", "", "| source | reference | output |", "|---|---|---|"]
    stride = max(1, len(pairs) // _SAMPLES)
    for pair, output in list(zip(pairs, outputs, strict=True))[::stride][:_SAMPLES]:
        lines.append(f"| {_cell(pair.src)} | {_cell(pair.tgt)} | {_cell(output)} |")
    return "\n".join(lines) + "\n"


def _description(config: Config) -> str:
    model = config.model
    reader = f"{model.layers} {model.cell.upper()} layers read the source "
    reader += "back to front" if model.reverse_source else "front to back"
    if model.encoder == "bidirectional":
        reader = f"{model.layers} {model.cell.upper()} layers read the source in both directions"
    if model.encoder == "image":
        reader = f"a convolutional network ({model.backbone}) looks at the picture"
    return (
        f"A recurrent sequence-to-sequence model: {reader}, {len(model.decoder_widths())} "
        f"{model.decoder_kind().upper()} layers write the target; attention: {model.attention}. "
        f"Trained with seq2seq on `{config.data.path}`."
    )


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell, and not all of it if it is a whole document."""
    return shorten(text, 300).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
