"""What the page shows of a run that reads sentences."""

from collections.abc import Iterator

from seq2seq.config.evaluation import MetricName
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.prepared import find_prepared
from seq2seq.decoding.lengths import limits
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError
from seq2seq.evaluation.comparison import word_splitter
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.evaluation.health import health
from seq2seq.evaluation.ngrams import produced
from seq2seq.evaluation.statistics import statistics_of
from seq2seq.metrics.names import LABELS
from seq2seq.metrics.scores import four_grams, scorer, sentence_scores, settled_on
from seq2seq.reports.attention import attention_section
from seq2seq.reports.breakdown import Words, breakdown_charts, breakdown_section
from seq2seq.reports.chart import Chart
from seq2seq.reports.confidence import calibration_of, calibration_section
from seq2seq.reports.faults import faults_section, word_choice_section
from seq2seq.reports.samples import Sample, samples_section
from seq2seq.reports.section import Section
from seq2seq.reports.selection import evenly
from seq2seq.reports.vectors import vectors_section

# Sentences of the training part whose words are counted.
_COUNTED = 50_000
# Sentences of the test part whose tokens and n-grams are counted.
_SCORED = 2000


def text_sections(evaluated: EvaluatedRun) -> Iterator[Section | None]:
    """What is shown of a run that reads sentences."""
    translator, sources, references = translator_of(evaluated), evaluated.sources, evaluated.references
    texts = [output.text for output in evaluated.outputs]
    evaluation = settled_on(evaluated.config.evaluation, references)
    split = word_splitter(evaluation)
    yield breakdown_section(breakdown_of(evaluated))
    sizes = translator.reader.lengths(sources) or []
    longest = [
        number
        for number, (size, output) in enumerate(zip(sizes, evaluated.outputs, strict=True))
        if size and len(output.ids) >= limits(size, evaluated.config.decoding, translator.members[0].target_lengths)[1]
    ]
    cut = [number for number, source in enumerate(sources) if translator.is_cut(source)]
    lost = Placeholders.of(evaluated.config.subword.protect).lost(sources, texts, references)
    yield faults_section(health(texts, references, sources, split), cut, longest, lost, texts, sources)
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


def translator_of(evaluated: EvaluatedRun) -> Translator:
    """The model of a run that reads sentences.

    Raises:
        Seq2SeqError: it reads pictures.
    """
    if not isinstance(evaluated.predictor, Translator):
        raise Seq2SeqError(f"{evaluated.folder} reads pictures: expected a run that reads sentences")
    return evaluated.predictor


def breakdown_of(evaluated: EvaluatedRun) -> list[Chart]:
    """The run's pictures of Fig. 3: BLEU where it means something, else chrF2, by length and by rarity of words."""
    evaluation = settled_on(evaluated.config.evaluation, evaluated.references)
    # As in validation: BLEU means something where half of the sentences have 4-grams.
    metric: MetricName = "bleu" if four_grams(evaluated.references, evaluation) >= 0.5 else "chrf"
    texts = [output.text for output in evaluated.outputs]
    statistics = statistics_of(scorer(metric, evaluation), texts, evaluated.references)
    return breakdown_charts(_source_words(evaluated), {"": statistics}, LABELS[metric])


def _source_words(evaluated: EvaluatedRun) -> Words:
    """Words of the sources, and of the first ones of the training part if the corpus is in the cache."""
    sources = evaluated.sources
    split = word_splitter(settled_on(evaluated.config.evaluation, [[source] for source in sources]))
    unit = "words" if any(len(split(source)) > 1 for source in sources) else "letters"
    if unit == "letters":
        split = list
    prepared, training = find_prepared(evaluated.config, evaluated.folder), None
    if prepared:
        src, count = prepared.vocabularies.src, min(_COUNTED, prepared.report["kept"])
        training = [split(src.decode(prepared.src[number])) for number in range(count)]
    return Words(unit, "source", [split(source) for source in sources], training)
