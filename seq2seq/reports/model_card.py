"""The run's README: what the model is, its scores, and samples of its outputs, with front matter for model hubs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.metrics.names import LABELS
from seq2seq.reports.description import describe
from seq2seq.reports.scores import scores_summary, scores_table
from seq2seq.reports.section import Table, markdown_text
from seq2seq.reports.selection import evenly
from seq2seq.reports.usage import usage_section
from seq2seq.runs.layout import REPORT

_SAMPLES = 12
# Hubs know these metrics by other names than ours.
_HUB_NAMES = {"chrf++": "chrf"}


def model_card(evaluated: EvaluatedRun) -> str:
    """Markdown with scores, settings and outputs at even distances through the set, so that none is hand-picked."""
    config = evaluated.config
    samples = list(zip(evaluated.sources, evaluated.references, evaluated.outputs, strict=True))
    rows = [[source, references[0], output.text] for source, references, output in evenly(samples, _SAMPLES)]
    use = usage_section(config)
    parts = [
        _front_matter(evaluated),
        f"# {markdown_text(evaluated.name)}",
        f"{describe(config)} Trained on {markdown_text(config.data.path)} with seq2seq; `{REPORT}` shows more.",
        f"## {use.title}",
        use.markdown,
        "## Scores",
        scores_summary(evaluated.scores),
        scores_table(evaluated.scores).markdown(),
        "## Samples",
        Table(["source", "reference", "output"], rows).markdown(),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(evaluated: EvaluatedRun) -> str:
    """What hubs read of a card, as YAML, of which JSON is a part."""
    data = evaluated.config.data
    fields: dict[str, Any] = {
        "language": list(dict.fromkeys(filter(None, (data.src_language, data.tgt_language)))),
        "license": data.licence,
        "library_name": "seq2seq",
        "pipeline_tag": "image-to-text" if data.reads_images else "translation",
        "tags": ["seq2seq", "recurrent-neural-network", evaluated.config.model.cell],
        "datasets": [data.path] if data.format in ("hub", "hub-pictures") else [],
        "metrics": list(dict.fromkeys(metric["type"] for metric in _metrics(evaluated.scores))),
        "model-index": [{"name": evaluated.name, "results": [_result(evaluated)]}],
    }
    return "\n".join(["---", *_yaml({name: value for name, value in fields.items() if value}), "---"])


def _result(evaluated: EvaluatedRun) -> dict[str, Any]:
    data, scores = evaluated.config.data, evaluated.scores
    return {
        "task": {"type": "image-to-text" if data.reads_images else "translation"},
        "dataset": {"type": data.path, "name": data.path, "split": scores["split"]},
        "metrics": list(_metrics(scores)),
    }


def _metrics(scores: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for name, label in LABELS.items():
        if score := scores.get(name):
            value = round(score["score"], 2)
            yield {"type": _HUB_NAMES.get(name, name), "name": label, "value": value, "args": score["signature"]}
    yield {"type": "exact_match", "name": "exact match", "value": round(scores["exact_match"], 4)}


def _yaml(value: Any, indent: str = "") -> Iterator[str]:
    """Lines of YAML for mappings, lists, texts and numbers; quotes keep a text from being taken for something else."""
    entries: Sequence[tuple[str, Any]]
    if isinstance(value, dict):
        entries = [(f"{name}:", entry) for name, entry in value.items()]
    else:
        entries = [("-", entry) for entry in value]
    for mark, entry in entries:
        if isinstance(entry, dict | list):
            yield f"{indent}{mark}"
            yield from _yaml(entry, indent + "  ")
        else:
            yield f"{indent}{mark} {json.dumps(entry)}"
