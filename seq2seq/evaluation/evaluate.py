"""Evaluates a run: decodes a held-out set, scores the outputs against the references, writes ``evaluation.json``."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.corpus.prepared import prepare
from seq2seq.corpus.sources import read_aligned
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import CorpusError, RunError
from seq2seq.evaluation.caption_metrics import caption_scores
from seq2seq.evaluation.metrics import Score, corpus_scores, exact_match
from seq2seq.evaluation.retrieval import prefers_own_targets
from seq2seq.files.atomic import check_writable, write_atomic
from seq2seq.files.manifest import check_manifest, digest
from seq2seq.model.vision.features import Pictures
from seq2seq.runs.layout import EVALUATION, MODEL, read_config, run_name

# Sources decoded between two steps of the progress bar.
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a run on one set of sources; ``evaluation.json`` holds its fields."""

    split: str
    sentences: int
    beam: int
    seconds: float
    """Decoding time, without loading and scoring."""
    exact_match: float
    """Share of outputs that equal a reference: the accuracy where targets are labels."""
    bleu: Score
    chrf: Score
    ter: Score
    weights: str
    """SHA-256 of the model file."""
    captions: dict[str, Any] | None = None
    """Pictures only: :func:`seq2seq.evaluation.caption_metrics.caption_scores`, and ``prefers_own`` from
    :func:`seq2seq.evaluation.retrieval.prefers_own_targets`."""


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """An evaluation and what a report needs besides the scores."""

    folder: Path
    config: Config
    scores: dict[str, Any]
    """The content of ``evaluation.json``."""
    predictor: Predictor
    pictures: Pictures | None
    """The corpus's pictures; None if the run reads text."""
    sources: Sequence[str]
    references: Sequence[Sequence[str]]
    """One or more for each source."""
    outputs: Sequence[Translation]
    """The best output for each source."""

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return run_name(self.folder)


def evaluate(
    run: str | Path,
    *,
    split: Literal["test", "validation"] = "test",
    files: tuple[Path, Path] | None = None,
    options: DecodingConfig | None = None,
    device: str = "auto",
    precision: str = "fp32",
) -> EvaluatedRun:
    """Decodes and scores a set of sources; writes ``evaluation.json``, and nothing else, into the run.

    Args:
        run: a trained run.
        split: a held-out part of the run's own corpus.
        files: source and reference file, instead of a split.
        options: how to decode; None: the run's ``[decoding]``.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: ``fp32``, ``bf16``, ``fp16``, ``int8`` or ``auto``.

    Raises:
        RunError: no run, or a damaged one.
        CorpusError: sources or references cannot be read, or there are none.
    """
    folder = Path(run)
    config = read_config(folder)
    if config.data.reads_images and files:
        raise CorpusError(f"{run} reads pictures: --src and --ref are for text; evaluate a split")
    manifest = check_manifest(folder)
    options = options or config.decoding
    name = str(files[0]) if files else split
    pairs = list(read_aligned(*files)) if files else _split_pairs(folder, config, manifest, split)
    if not pairs:
        raise CorpusError(f"no sentences in {name}: there is nothing to evaluate")
    check_writable(folder / EVALUATION)
    predictor, pictures = _load(folder, config, device, precision)
    sources, references = with_references(pairs, grouped=pictures is not None)
    started = time.perf_counter()
    outputs = _decode(predictor, sources, options, "captioning" if pictures else "translating")
    seconds = round(time.perf_counter() - started, 2)
    texts = [output.text for output in outputs]
    captions = None
    if pictures:
        captions = caption_scores(texts, references)
        captions["prefers_own"] = prefers_own_targets(predictor, sources, references)
    evaluation = Evaluation(
        split=name,
        sentences=len(sources),
        beam=options.beam,
        seconds=seconds,
        exact_match=exact_match(texts, references),
        **corpus_scores(texts, references),
        weights=manifest["files"][MODEL]["sha256"],
        captions=captions,
    )
    scores = asdict(evaluation)
    scores["digest"] = digest(scores)
    write_atomic(folder / EVALUATION, json.dumps(scores, indent=2, ensure_ascii=False).encode())
    print(f"wrote {folder / EVALUATION}", file=sys.stderr)
    return EvaluatedRun(folder, config, scores, predictor, pictures, sources, references, outputs)


def _load(run: Path, config: Config, device: str, precision: str) -> tuple[Predictor, Pictures | None]:
    """The run's model, and the corpus's pictures if it reads any."""
    if not config.data.reads_images:
        return Translator.load(run, device=device, precision=precision), None
    pictures = Pictures(prepare(config), config, DeviceSpec.pick(device, precision))
    look_up = pictures.pixels if config.training.finetune_from else pictures.features
    return Captioner.load(run, device=device, precision=precision, look_up=look_up), pictures


def _decode(predictor: Predictor, sources: Sequence[str], options: DecodingConfig, verb: str) -> list[Translation]:
    outputs: list[Translation] = []
    for start in tqdm(range(0, len(sources), _CHUNK), desc=verb, delay=2, disable=None, leave=False):
        outputs.extend(predictor.best(sources[start : start + _CHUNK], options))
    return outputs


def read_evaluation(run: Path) -> dict[str, Any]:
    """The scores that :func:`evaluate` wrote.

    Raises:
        RunError: they cannot be read, or are damaged.
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
    """A few lines of text: each score with its interval and signature."""
    lines = [f"{evaluation['sentences']} sentences of {evaluation['split']}, beam {evaluation['beam']}:"]
    for name, label in (("bleu", "BLEU"), ("chrf", "chrF2"), ("ter", "TER")):
        score = evaluation[name]
        interval = f"[{score['low']:.1f}, {score['high']:.1f}]"
        lines.append(f"  {label:5} {score['score']:5.1f}  95% {interval:14} {score['signature']}")
    lines.append(f"  exact match {evaluation['exact_match']:.1%}")
    if captions := evaluation.get("captions"):
        orders = ", ".join(f"BLEU-{order} {captions[f'bleu{order}']:.1f}" for order in range(1, 5))
        lines.append(f"  {orders}, CIDEr-D {captions['cider_d']:.3f}  {captions['signature']}")
        lines.append(f"  right captions of two pictures preferred to swapped ones {captions['prefers_own']:.1%}")
    return "\n".join(lines)


def _split_pairs(run: Path, config: Config, manifest: dict[str, Any], split: str) -> list[Pair]:
    prepared = prepare(config)
    if prepared.report["fingerprint"] != manifest["corpus"]["fingerprint"]:
        raise CorpusError(
            f"{config.data.path} has changed since {run} was trained, so test sentences could be among those it was "
            "trained on: bring the old corpus back, or name files with --src and --ref"
        )
    return prepared.validation if split == "validation" else prepared.test
