"""Scores with their intervals and signatures."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from seq2seq.reports.section import Section, Table

LABELS = {"bleu": "BLEU", "chrf": "chrF2", "chrf++": "chrF2++", "ter": "TER", "cer": "CER", "wer": "WER"}
"""Names of scores for people, in the order in which they are shown."""

_LOWER_IS_BETTER = ("ter", "cer", "wer")
_CAPTIONS = {f"bleu{order}": f"BLEU-{order}" for order in range(1, 5)} | {"cider_d": "CIDEr-D (0 to 10)"}
_PREFERS_OWN = (
    "Right captions preferred: the share of pairs of pictures whose first references are more probable in their places "
    "than swapped; chance is 50 %."
)


def scores_section(scores: Mapping[str, Any]) -> Section:
    """The scores of one evaluation.

    Args:
        scores: the content of ``evaluation.json``.
    """
    summary, table = scores_summary(scores), scores_table(scores)
    html = [Markup("<p>{}</p>").format(summary), table.html()]
    markdown = [summary, table.markdown()]
    if captions := scores.get("captions"):
        html.append(Markup('<p class="note">{}</p>').format(_PREFERS_OWN))
        markdown.append(_PREFERS_OWN)
        share = f"Right captions preferred: {captions['prefers_own']:.1%}"
        html.insert(1, Markup("<p>{}</p>").format(share))
        markdown.insert(1, share)
    if labels := scores.get("labels"):
        confusion = _confusion(labels)
        html += [Markup("<h3>Labels</h3><p>{}</p>").format(_accuracy(labels)), confusion.html()]
        markdown += ["### Labels", _accuracy(labels), confusion.markdown()]
    return Section("Scores", "scores", Markup("\n").join(html), "\n\n".join(markdown))


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
            lower = " (lower is better)" if name in _LOWER_IS_BETTER else ""
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
