"""``evaluation.json``: the scores of a set of sources, written, read and summed up."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from seq2seq.errors import RunError
from seq2seq.files.manifest import check_manifest, digest
from seq2seq.metrics.labels import Confusion
from seq2seq.metrics.names import LABELS
from seq2seq.metrics.scores import Score
from seq2seq.runs.layout import EVALUATION, MODEL


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one model, or of an ensemble, on one set of sources; ``evaluation.json`` holds its fields."""

    split: str
    """``test``, ``validation``, or the path of the source file."""
    sentences: int
    beam: int
    seconds: float
    """Decoding time, without loading and scoring."""
    exact_match: float
    """Share of outputs that equal a reference."""
    cut: int
    """Outputs as long as outputs may be, so that the rest may be missing."""
    scores: dict[str, Score]
    """By name of the metric; in the file each is an entry of its own."""
    weights: str
    """SHA-256 of the model file; of an ensemble's, with spaces between them."""
    outputs: str
    """SHA-256 of the table of outputs."""
    lost: int | None = None
    """Outputs that lack a protected text of their source that a reference has; None if nothing is protected."""
    labels: Confusion | None = None
    """If the references are labels: the confusion table, and its accuracy."""
    captions: dict[str, Any] | None = None
    """Pictures only: :func:`seq2seq.metrics.captions.caption_scores`, and ``prefers_own`` from
    :func:`seq2seq.evaluation.retrieval.prefers_own_targets`."""

    def content(self) -> dict[str, Any]:
        """What the file holds, its digest included."""
        fields = asdict(self)
        scores = fields.pop("scores")
        content = {**fields, **scores}
        return {**content, "digest": digest(content)}


def read_evaluation(run: Path) -> dict[str, Any]:
    """The content of a run's ``evaluation.json``.

    Raises:
        RunError: it cannot be read, or is damaged.
    """
    try:
        content: dict[str, Any] = json.loads((run / EVALUATION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{run / EVALUATION} cannot be read ({error}): run seq2seq evaluate again") from None
    if not isinstance(content, dict) or content.get("digest") != digest(content):
        raise RunError(f"{run / EVALUATION} is damaged: run seq2seq evaluate again")
    return content


def is_evaluated(run: Path) -> bool:
    """Whether the run holds intact scores of its present model."""
    try:
        content = read_evaluation(run)
    except RunError:
        return False
    return bool(content.get("weights") == check_manifest(run)["files"][MODEL]["sha256"])


def summary(evaluation: dict[str, Any]) -> str:
    """A few lines of text: each score with its interval and signature; labels with their confusion table."""
    lines = [f"{evaluation['sentences']} sentences of {evaluation['split']}, beam {evaluation['beam']}:"]
    for name, label in LABELS.items():
        if score := evaluation.get(name):
            interval, note = f"[{score['low']:.1f}, {score['high']:.1f}]", score["note"] and f" ({score['note']})"
            lines.append(f"  {label:7} {score['score']:5.1f}  95% {interval:14}{note} {score['signature']}")
    lines.append(f"  exact match {evaluation['exact_match']:.1%}")
    if evaluation.get("lost") is not None:
        lines.append(f"  outputs that lost a protected text {evaluation['lost']}")
    if labels := evaluation.get("labels"):
        lines += _confusion_lines(labels)
    if captions := evaluation.get("captions"):
        orders = ", ".join(f"BLEU-{order} {captions[f'bleu{order}']:.1f}" for order in range(1, 5))
        lines.append(f"  {orders}, CIDEr-D {captions['cider_d']:.3f}  {captions['signature']}")
        lines.append(f"  right captions of two pictures preferred to swapped ones {captions['prefers_own']:.1%}")
    return "\n".join(lines)


def _confusion_lines(labels: Mapping[str, Any]) -> list[str]:
    """The accuracy, then the table: a row for each label of the references, a column for each of the outputs."""
    names = [shorten(name, 20) for name in (*labels["labels"], "other")]
    width = max(5, *map(len, names))
    rows = zip(names, labels["counts"], strict=False)
    return [
        f"  accuracy {labels['accuracy']:.1%}; rows are references, columns are outputs:",
        "  " + " ".join(f"{cell:>{width}}" for cell in ("", *names)),
        *("  " + " ".join(f"{cell:>{width}}" for cell in (name, *counts)) for name, counts in rows),
    ]
