"""How good a run is: translate a test set, score it, write it down."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.prepared import prepare
from seq2seq.corpus.sources import read_aligned
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.evaluation.metrics import Score, corpus_scores, exact_match
from seq2seq.evaluation.model_card import model_card
from seq2seq.model.run_folder import check_manifest, write_durably

EVALUATION = "evaluation.json"
# Sentences translated between two steps of the progress bar.
_STRIDE = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a run on one set of sentences."""

    split: str
    sentences: int
    beam: int
    seconds: float
    """Time of translating, without loading and scoring."""
    exact_match: float
    """Share of outputs that equal their reference: the accuracy, where targets are labels."""
    bleu: Score
    chrf: Score
    ter: Score


def evaluate(
    run: str | Path,
    *,
    split: Literal["test", "validation"] = "test",
    files: tuple[Path, Path] | None = None,
    options: DecodingConfig | None = None,
    device: str = "auto",
    precision: str = "fp32",
) -> Evaluation:
    """Translates and scores a set of sentences; writes ``evaluation.json`` and the card ``README.md``.

    Args:
        run: a trained run.
        split: which held-out part of the run's own corpus.
        files: source and reference file, instead of a split.
        options: beam and the like, instead of the run's own.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto``.

    Raises:
        RunError: no run, or a damaged one.
        CorpusError: sentences cannot be read, or there are none.
    """
    translator = Translator.load(run, device=device, precision=precision)
    options = options or translator.config.decoding
    name = str(files[0]) if files else split
    pairs = list(read_aligned(*files)) if files else _split_pairs(Path(run), translator.config, split)
    if not pairs:
        raise CorpusError(f"no sentences in {name}: there is nothing to evaluate")
    started = time.perf_counter()
    outputs: list[str] = []
    for start in tqdm(range(0, len(pairs), _STRIDE), desc="translating", delay=2, disable=None, leave=False):
        chunk = [pair.src for pair in pairs[start : start + _STRIDE]]
        outputs.extend(translation.text for translation in translator.translate(chunk, options))
    seconds = time.perf_counter() - started
    references = [pair.tgt for pair in pairs]
    evaluation = Evaluation(
        split=name,
        sentences=len(pairs),
        beam=options.beam,
        seconds=round(seconds, 2),
        exact_match=exact_match(outputs, references),
        **corpus_scores(outputs, references),
    )
    _write(Path(run), evaluation, translator.config, pairs, outputs)
    return evaluation


def read_evaluation(run: Path) -> dict[str, Any]:
    """What :func:`evaluate` wrote."""
    content: dict[str, Any] = json.loads((run / EVALUATION).read_text(encoding="utf-8"))
    return content


def summary(evaluation: dict[str, Any]) -> str:
    """Scores in a few lines, each with interval and signature."""
    lines = [f"{evaluation['sentences']} sentences of {evaluation['split']}, beam {evaluation['beam']}:"]
    for name, label in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        score = evaluation[name]
        interval = f"[{score['low']:.1f}, {score['high']:.1f}]"
        lines.append(f"  {label:5} {score['score']:5.1f}  95% {interval:14} {score['signature']}")
    lines.append(f"  exact match {evaluation['exact_match']:.1%}")
    return "\n".join(lines)


def _split_pairs(run: Path, config: Config, split: str) -> list[Pair]:
    prepared = prepare(config)
    if prepared.report["fingerprint"] != check_manifest(run)["corpus"]["fingerprint"]:
        raise CorpusError(
            f"{config.data.path} is not as it was when {run} was trained, so sentences it learned from could be "
            "among those to test on: bring the corpus back, or name files with --src and --ref"
        )
    return prepared.validation if split == "validation" else prepared.test


def _write(run: Path, evaluation: Evaluation, config: Config, pairs: Sequence[Pair], outputs: Sequence[str]) -> None:
    content = asdict(evaluation)
    write_durably(run / EVALUATION, json.dumps(content, indent=2, ensure_ascii=False).encode())
    write_durably(run / "README.md", model_card(run.name, config, content, pairs, outputs).encode())
    print(f"wrote {run / EVALUATION} and {run / 'README.md'}", file=sys.stderr)
