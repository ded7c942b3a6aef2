"""Evaluates trained models: decodes sources, scores the outputs against references, writes both down."""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from seq2seq.config import Config, DecodingConfig, EvaluationConfig
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.lengths import warn_of_cut_outputs
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.engines.choice import EngineName
from seq2seq.errors import ConfigError, shown, warn
from seq2seq.evaluation.outputs import output_rows, to_tsv
from seq2seq.evaluation.record import Evaluation
from seq2seq.evaluation.reference_sets import ReferenceSet, file_set, own_set
from seq2seq.evaluation.retrieval import prefers_own_targets
from seq2seq.files.atomic import check_writable, new_folder, write_atomic
from seq2seq.files.manifest import check_manifest
from seq2seq.metrics.captions import caption_scores
from seq2seq.metrics.labels import are_labels, confusion
from seq2seq.metrics.scores import corpus_scores, exact_match
from seq2seq.metrics.tokenisers import require_tokeniser
from seq2seq.model.vision.features import Pictures
from seq2seq.runs.layout import EVALUATION, MODEL, read_config, run_name, settled_overrides

# Sources decoded between two steps of the progress bar.
_CHUNK = 500
# Bytes that are sure to be enough for scores and outputs of most sets.
_ROOM = 10_000_000
# Tables whose settings change what is compared, and how; the others made the model.
_CHANGEABLE = ("data", "decoding", "evaluation")


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """An evaluation and what a report needs besides the scores."""

    folder: Path
    """The run; of an ensemble the first one."""
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
    written: Path | None = None
    """The folder that scores and outputs were written to; None if they were not."""

    @property
    def name(self) -> str:
        """The run's name: its folder's."""
        return run_name(self.folder)


def evaluate(
    run: str | Path,
    *others: str | Path,
    split: Literal["test", "validation"] = "test",
    src: str | Path | None = None,
    refs: Sequence[str | Path] = (),
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    options: DecodingConfig | None = None,
    device: str = "auto",
    precision: str = "fp32",
    engine: EngineName = "auto",
) -> EvaluatedRun:
    """Decodes and scores a set of sources.

    Writes ``evaluation.json`` and the table of outputs into ``out``; without it, into the run, if it is one run and the
    set is a part of its own corpus; else nowhere.

    Args:
        run: a trained run.
        others: runs that decode with it as an ensemble.
        split: a held-out part of the first run's corpus.
        src: source file, instead of a split.
        refs: reference files, one or more.
        out: a new or empty folder.
        overrides: ``table.key=value`` each, of the tables ``[data]``, ``[decoding]`` and ``[evaluation]``.
        options: how to decode; None: the first run's ``[decoding]``.
        device: ``auto``, ``cpu``, ``cuda``.
        precision: ``fp32``, ``bf16``, ``fp16``, ``int8`` or ``auto``.
        engine: ``auto``, ``torch`` or ``onnx``.

    Raises:
        RunError: no run, or a damaged one.
        CorpusError: sources or references cannot be read, or there are none, or the corpus is another one.
        ConfigError: settings that cannot be, or a tokeniser that is not installed.
    """
    folders = [Path(folder) for folder in (run, *others)]
    configs = [read_config(folder) for folder in folders]
    manifests = [check_manifest(folder) for folder in folders]
    config = _config(folders[0], manifests[0], overrides)
    options = options or config.decoding
    files = src is not None or bool(refs)
    material = file_set(folders[0], config, src, refs) if files else _own_set(folders, manifests, config, split)
    written = Path(out) if out else None if files or others else folders[0]
    with _target(written, material.table, new=out is not None) as target:
        pictures = _pictures(folders[0], config, DeviceSpec.pick(device, precision))
        predictor = _load(folders, configs, pictures, device, precision, engine)
        started = time.perf_counter()
        outputs = _decode(predictor, material.sources, options, "captioning" if pictures else "translating")
        seconds = round(time.perf_counter() - started, 2)
        table = to_tsv(output_rows(material.sources, material.references, outputs, config.evaluation))
        facts = {"beam": options.beam, "seconds": seconds, "outputs": sha256(table).hexdigest()}
        facts["weights"] = " ".join(manifest["files"][MODEL]["sha256"] for manifest in manifests)
        scores = _evaluation(predictor, material, config, outputs, **facts).content()
        if target:
            write_atomic(target / EVALUATION, json.dumps(scores, indent=2, ensure_ascii=False).encode())
            write_atomic(target / material.table, table)
    return EvaluatedRun(
        folders[0], config, scores, predictor, pictures, material.sources, material.references, outputs, written
    )


def _pictures(run: Path, config: Config, device_spec: DeviceSpec) -> Pictures | None:
    """The corpus's pictures, if the run reads any."""
    return Pictures(prepare(config, run), config, device_spec) if config.data.reads_images else None


def _evaluation(
    predictor: Predictor, material: ReferenceSet, config: Config, decoded: Sequence[Translation], **facts: Any
) -> Evaluation:
    """The scores of outputs, with some facts that are no scores."""
    texts = [output.text for output in decoded]
    return Evaluation(
        split=material.name,
        sentences=len(texts),
        cut=_count_cut(decoded),
        lost=_count_lost(material, texts, config.subword.protect),
        **_text_scores(texts, material.references, config.evaluation),
        captions=_caption_scores(predictor, material, texts) if config.data.reads_images else None,
        **facts,
    )


def _config(run: Path, manifest: Mapping[str, Any], overrides: Sequence[str]) -> Config:
    """The run's settings with others in the place of some.

    Raises:
        ConfigError: they make another model, or cannot be, or name a tokeniser that is not installed.
    """
    for override in overrides:
        if override.strip().partition(".")[0] not in _CHANGEABLE:
            raise ConfigError(
                f"--set {shown(override)}: expected a setting of {', '.join(_CHANGEABLE)}; the others made the model"
            )
    config = read_config(run, [*settled_overrides(manifest), *overrides])
    require_tokeniser(config.evaluation.tokenize)
    return config


def _own_set(runs: Sequence[Path], manifests: Sequence[Mapping[str, Any]], config: Config, split: str) -> ReferenceSet:
    """A part of the first run's corpus; warns of members that may have been trained on its sentences."""
    for run, manifest in zip(runs, manifests, strict=True):
        if manifest["corpus"]["fingerprint"] != manifests[0]["corpus"]["fingerprint"]:
            warn(f"{run} was trained on another corpus than {runs[0]}, whose held-out sentences may be among it")
    return own_set(runs[0], manifests[0], config, split)


@contextmanager
def _target(folder: Path | None, table: str, *, new: bool) -> Iterator[Path | None]:
    """Where to write, which is found writable before the work; None: nothing is written.

    Args:
        folder: what is written to in the end.
        table: name of the table of outputs.
        new: it must be a new or empty folder.
    """
    if folder is None:
        yield None
        return
    if new:
        with new_folder(folder, size=_ROOM) as scratch:
            yield scratch
    else:
        for name in (EVALUATION, table):
            check_writable(folder / name)
        yield folder
    print(f"wrote {folder / EVALUATION} and {folder / table}", file=sys.stderr)


def _load(
    runs: Sequence[Path],
    configs: Sequence[Config],
    pictures: Pictures | None,
    device: str,
    precision: str,
    engine: EngineName,
) -> Predictor:
    if pictures is None:
        return Translator.load(*runs, device=device, precision=precision, engine=engine)
    # A fine-tuned backbone reads pixels, which the others can read too.
    look_up = pictures.pixels if any(config.training.finetune_from for config in configs) else pictures.features
    return Captioner.load(*runs, device=device, precision=precision, engine=engine, look_up=look_up)


def _decode(predictor: Predictor, sources: Sequence[str], options: DecodingConfig, verb: str) -> list[Translation]:
    outputs: list[Translation] = []
    for start in tqdm(range(0, len(sources), _CHUNK), desc=verb, delay=2, disable=None, leave=False):
        outputs.extend(predictor.best(sources[start : start + _CHUNK], options))
    return outputs


def _text_scores(
    texts: Sequence[str], references: Sequence[Sequence[str]], evaluation: EvaluationConfig
) -> dict[str, Any]:
    """The fields of an :class:`Evaluation` that texts and references alone decide."""
    return {
        "exact_match": exact_match(texts, references, evaluation),
        "scores": corpus_scores(texts, references, evaluation),
        "labels": confusion(texts, references) if are_labels(references) else None,
    }


def _count_cut(outputs: Sequence[Translation]) -> int:
    """How many outputs are as long as outputs may be, which is said."""
    cut = sum(output.cut for output in outputs)
    warn_of_cut_outputs(cut)
    return cut


def _count_lost(material: ReferenceSet, texts: Sequence[str], protect: Sequence[str]) -> int | None:
    """How many outputs lack a protected text; None if nothing is protected."""
    return len(Placeholders.of(protect).lost(material.sources, texts, material.references)) if protect else None


def _caption_scores(predictor: Predictor, material: ReferenceSet, texts: Sequence[str]) -> dict[str, Any]:
    scores = caption_scores(texts, material.references)
    return {**scores, "prefers_own": prefers_own_targets(predictor, material.sources, material.references)}
