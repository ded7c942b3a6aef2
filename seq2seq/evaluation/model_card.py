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
    model = config.model
    order = "back to front" if model.reverse_source else "front to back"
    if model.encoder == "bidirectional":
        order = "in both directions"
    lines = [
        f"# {name}",
        "",
        f"A recurrent sequence-to-sequence model: {model.layers} {model.cell.upper()} layers read the source {order}, "
        f"{model.decoder_layers or model.layers} write the target; attention: {model.attention}. "
        f"Trained with seq2seq on `{config.data.path}`.",
        "",
        "## Use",
        "",
        "```",
        "echo 'your sentence' | seq2seq translate --model .",
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
    lines += ["", "## Samples", "", "| source | reference | output |", "|---|---|---|"]
    stride = max(1, len(pairs) // _SAMPLES)
    for pair, output in list(zip(pairs, outputs, strict=True))[::stride][:_SAMPLES]:
        lines.append(f"| {_cell(pair.src)} | {_cell(pair.tgt)} | {_cell(output)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell, and not all of it if it is a whole document."""
    return shorten(text, 300).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
