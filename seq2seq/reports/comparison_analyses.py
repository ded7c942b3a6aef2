"""What systems find hard, what is wrong with their outputs, and which phrases tell them apart."""

from collections.abc import Sequence
from statistics import fmean

from seq2seq.evaluation.comparison import Comparison, word_splitter
from seq2seq.evaluation.health import health
from seq2seq.evaluation.ngrams import Tally, matched, produced
from seq2seq.metrics.names import LABELS
from seq2seq.metrics.scores import settled_on
from seq2seq.reports.breakdown import Words, breakdown_charts, breakdown_section
from seq2seq.reports.parts import Heading, Note, Part, make_section
from seq2seq.reports.section import Facts, Section, Table
from seq2seq.reports.text import shortened

# n-grams of so many sentences are counted, at even distances: all of a large set would fill the memory.
_MOST_SENTENCES = 10_000
_ON_NGRAMS = (
    "N-grams of up to four words, the most telling first. In brackets: how often, by sentence, outputs have it "
    "and no reference does, and the reverse; between systems, how often the one has it right and the other has not."
)


def difficulty_section(comparison: Comparison) -> Section | None:
    """Scores by length of sentence and by how rare its words are; None where all sentences are alike in both."""
    systems = comparison.systems
    texts, side, evaluation = [texts[0] for texts in systems.references], "reference", systems.evaluation
    if systems.sources is not None and not systems.pictures:
        texts, side = list(systems.sources), "source"
        evaluation = settled_on(evaluation, [[text] for text in texts])
    words = Words("words", side, list(map(word_splitter(evaluation), texts)), None)
    results = comparison.results[comparison.main_metric]
    statistics = {one.name: result.statistics for one, result in zip(systems.systems, results, strict=True)}
    return breakdown_section(breakdown_charts(words, statistics, LABELS[comparison.main_metric]))


def health_section(comparison: Comparison) -> Section:
    """Faults of each system's outputs that scores do not say."""
    systems, split = comparison.systems, word_splitter(comparison.systems.evaluation)
    sources = None if systems.pictures else systems.sources
    header, rows = ["system", "length ratio", "empty", "unknown words", "loops"], []
    for system in systems.systems:
        runs = [health(outputs, systems.references, sources, split) for outputs in system.outputs]
        faults = [[run.empty, run.unknown, run.looping, run.copied] for run in runs]
        total = sum(run.outputs for run in runs)
        counts = [sum(len(fault or []) for fault in column) for column in zip(*faults, strict=True)]
        shown = [f"{count / total:.1%}" if count else "0" for count in counts]
        ratio = fmean(run.length_ratio for run in runs)
        rows.append([system.name, f"{ratio:.2f}", *(shown if sources is not None else shown[:-1])])
    if sources is not None:
        header.append("copies of the source")
    note = Note(
        "Length ratio: words of the outputs for each word of the references. The others are shares of the outputs: "
        "without a word; with a mark for an unknown word, such as <unk>; with a phrase three times in a row; equal to "
        "their source. A fault does not count where a reference of the output has it too."
    )
    return make_section("Health", "health", [Table(header, rows, numbers=range(1, len(header))), note])


def ngrams_section(comparison: Comparison) -> Section | None:
    """Words and phrases that systems write too often or too rarely, and get right more often than the first one.

    None if there are none, as where every output is another number.
    """
    systems = comparison.systems
    split, stride = word_splitter(systems.evaluation), -(-len(systems.references) // _MOST_SENTENCES)
    references = [[split(text) for text in texts] for texts in systems.references[::stride]]
    outputs = [[split(text) for text in system.outputs[0][::stride]] for system in systems.systems]
    names = [system.name for system in systems.systems]
    made = [produced(texts, references) for texts in outputs]
    met = [matched(texts, outputs[0], references) for texts in outputs[1:]]
    parts: list[Part] = []
    for title, verb, found in (
        ("Compared with the references", "writes", zip(names, made, strict=True)),
        (f"Compared with {names[0]}", "is right", zip(names[1:], met, strict=True)),
    ):
        phrases = [
            (f"{name} {verb} {how}", _phrases(tallies))
            for name, one in found
            for how, tallies in (("more often", one.more), ("less often", one.fewer))
            if tallies
        ]
        parts += [Heading(title), Facts(phrases)] if phrases else []
    if not parts:
        return None
    counted = f" {len(references):,} sentences at even distances are counted." if stride > 1 else ""
    return make_section("Words and phrases", "ngrams", [*parts, Note(_ON_NGRAMS + counted)])


def _phrases(tallies: Sequence[Tally]) -> str:
    return " · ".join(f"{shortened(' '.join(one.ngram), 80)} ({one.more}:{one.fewer})" for one in tallies)
