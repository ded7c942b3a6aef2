"""Scores with their intervals and signatures."""

from collections.abc import Mapping
from typing import Any

from seq2seq.metrics.names import ERROR_RATES, LABELS
from seq2seq.reports.parts import Heading, Note, Part, make_section
from seq2seq.reports.section import Section, Table

_CAPTIONS = {f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)} | {"cider_d": "CIDEr-D (0 to 10)"}
_PREFERS_OWN = (
    "This is the share of pairs of pictures whose first references are more probable in their places "
    "than swapped; chance is 50 %."
)


def scores_section(scores: Mapping[str, Any]) -> Section:
    """The scores of one evaluation.

    Args:
        scores: the content of ``evaluation.json``.
    """
    parts: list[Part] = [Note(scores_summary(scores)), scores_table(scores)]
    if captions := scores.get("captions"):
        parts += [Note(f"Right captions preferred: {captions['prefers_own']:.1%}. {_PREFERS_OWN}")]
    if labels := scores.get("labels"):
        parts += [Heading("Labels"), Note(_accuracy(labels)), _confusion(labels)]
    return make_section("Scores", "scores", parts)


def scores_summary(scores: Mapping[str, Any]) -> str:
    """What was scored, in a sentence."""
    kind = "pictures" if scores.get("captions") else "sentences"
    speed = scores["sentences"] / max(scores["seconds"], 1e-9)
    return (
        f"{scores['sentences']:,} {kind} of {scores['split']}, beam {scores['beam']}, {speed:,.0f} per second, "
        f"exact match {scores['exact_match']:.1%}."
    )


def scores_table(scores: Mapping[str, Any]) -> Table:
    """A row for each score."""
    rows = []
    for name, label in LABELS.items():
        if score := scores.get(name):
            lower = " (lower is better)" if name in ERROR_RATES else ""
            note = f" ({score['note']})" if score.get("note") else ""
            interval = f"{score['low']:.1f} – {score['high']:.1f}"
            rows.append([label + lower + note, f"{score['score']:.1f}", interval, score["signature"]])
    if captions := scores.get("captions"):
        rows += [[label, f"{captions[key]:.2f}", "", captions["signature"]] for key, label in _CAPTIONS.items()]
    return Table(["metric", "score", "95 % interval", "signature"], rows, numbers=(1, 2))


def _accuracy(labels: Mapping[str, Any]) -> str:
    return f"Accuracy {labels['accuracy']:.1%}. A row is a label of the references, a column one of the outputs."


def _confusion(labels: Mapping[str, Any]) -> Table:
    names = [*labels["labels"], "other"]
    rows = [[name, *map(str, counts)] for name, counts in zip(names, labels["counts"], strict=False)]
    return Table(["", *names], rows, numbers=range(1, len(names) + 1))
