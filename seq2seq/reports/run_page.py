"""The page of one run: everything that is shown of it."""

import sys
from collections.abc import Iterator
from pathlib import Path

from seq2seq.config.evaluation import MetricName
from seq2seq.corpus.prepared import find_prepared
from seq2seq.decoding.lengths import limits
from seq2seq.decoding.translator import Translator
from seq2seq.evaluation.comparison import word_splitter
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.evaluation.health import health
from seq2seq.evaluation.ngrams import produced
from seq2seq.evaluation.statistics import statistics_of
from seq2seq.files.atomic import write_atomic
from seq2seq.files.manifest import check_manifest
from seq2seq.metrics.names import LABELS
from seq2seq.metrics.scores import four_grams, scorer, sentence_scores, settled_on
from seq2seq.reports.attention import attention_section
from seq2seq.reports.breakdown import SourceWords, breakdown_section
from seq2seq.reports.confidence import calibration_of, calibration_section
from seq2seq.reports.curves import curves_section
from seq2seq.reports.description import describe, training_section
from seq2seq.reports.faults import faults_section, word_choice_section
from seq2seq.reports.model_card import model_card
from seq2seq.reports.page import html_page
from seq2seq.reports.pictures import pictures_section
from seq2seq.reports.samples import Sample, samples_section
from seq2seq.reports.scores import scores_section
from seq2seq.reports.section import Section
from seq2seq.reports.selection import evenly
from seq2seq.reports.usage import usage_section
from seq2seq.reports.vectors import vectors_section
from seq2seq.runs.history import read_log
from seq2seq.runs.layout import CARD, REPORT

# Sentences of the training part whose words are counted.
_COUNTED = 50_000
# Sentences of the test part whose tokens and n-grams are counted.
_SCORED = 2000


def write_report(evaluated: EvaluatedRun) -> None:
    """Writes ``report.html`` and ``README.md`` into the run."""
    page = html_page(evaluated.name, describe(evaluated.config), run_sections(evaluated))
    _write(evaluated.folder / REPORT, page)
    _write(evaluated.folder / CARD, model_card(evaluated))  # last: where it is, everything is


def run_sections(evaluated: EvaluatedRun) -> list[Section]:
    """All that is shown of one run, in the order of the page."""
    config, manifest, entries = evaluated.config, check_manifest(evaluated.folder), read_log(evaluated.folder)
    parameters = sum(parameter.numel() for parameter in evaluated.predictor.model.parameters())
    sections = [
        scores_section(evaluated.scores),
        training_section(config, manifest, entries, parameters),
        curves_section(entries),
        *(_text_sections(evaluated) if isinstance(evaluated.predictor, Translator) else [pictures_section(evaluated)]),
        usage_section(config),
    ]
    return [section for section in sections if section]


def _text_sections(evaluated: EvaluatedRun) -> Iterator[Section | None]:
    """What is shown of a run that reads sentences."""
    translator, sources, references = evaluated.predictor, evaluated.sources, evaluated.references
    assert isinstance(translator, Translator)
    texts = [output.text for output in evaluated.outputs]
    evaluation = settled_on(evaluated.config.evaluation, references)
    split = word_splitter(evaluation)
    # As in validation: BLEU means something where half of the sentences have 4-grams.
    metric: MetricName = "bleu" if four_grams(references, evaluation) >= 0.5 else "chrf"
    statistics = statistics_of(scorer(metric, evaluation), texts, references)
    yield breakdown_section(_source_words(evaluated), statistics, LABELS[metric])
    sizes = translator.reader.lengths(sources) or []
    longest = [
        number
        for number, (size, output) in enumerate(zip(sizes, evaluated.outputs, strict=True))
        if size and len(output.ids) >= limits(size, evaluated.config.decoding)[1]
    ]
    cut = [number for number, source in enumerate(sources) if translator.is_cut(source)]
    yield faults_section(health(texts, references, sources, split), cut, longest, texts, sources)
    yield word_choice_section(
        produced(
            [split(text) for text in evenly(texts, _SCORED)],
            [list(map(split, many)) for many in evenly(references, _SCORED)],
        )
    )
    yield calibration_section(calibration_of(translator, evenly(sources, _SCORED), evenly(references, _SCORED)))
    yield attention_section(translator, sources, evaluated.outputs)
    yield vectors_section(translator, sources)
    scores = sentence_scores("chrf", texts, references, evaluation)
    yield samples_section(
        [
            Sample(source, many, output.text, score, output.per_token)
            for source, many, output, score in zip(sources, references, evaluated.outputs, scores, strict=True)
        ]
    )


def _source_words(evaluated: EvaluatedRun) -> SourceWords:
    """Words of the sources, and of the first ones of the training part if the corpus is in the cache."""
    sources = evaluated.sources
    split = word_splitter(settled_on(evaluated.config.evaluation, [[source] for source in sources]))
    unit = "words" if any(len(split(source)) > 1 for source in sources) else "letters"
    if unit == "letters":
        split = list
    prepared, training = find_prepared(evaluated.config), None
    if prepared:
        src, count = prepared.vocabularies.src, min(_COUNTED, prepared.report["kept"])
        training = [split(src.decode(prepared.src[number])) for number in range(count)]
    return SourceWords(unit, [split(source) for source in sources], training)


def _write(path: Path, content: str) -> None:
    write_atomic(path, content.encode())
    print(f"wrote {path}", file=sys.stderr)
