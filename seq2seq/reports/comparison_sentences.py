"""The sentences themselves: those in which systems differ most, and all of them in a table."""

from collections.abc import Sequence

from markupsafe import Markup

from seq2seq.evaluation.comparison import Comparison, word_splitter
from seq2seq.evaluation.contest import contest
from seq2seq.evaluation.health import Split
from seq2seq.reports.browser import Cell, Order, browser
from seq2seq.reports.parts import Heading, Note, Part, make_section
from seq2seq.reports.section import Facts, Section
from seq2seq.reports.text import printable, shortened

_LONGEST = 500


class _Example:
    """A sentence with the outputs of two systems; words that no reference has are underlined.

    Args:
        facts: names and texts above the outputs.
        outputs: names and texts of the outputs.
        known: the words of the references.
        split: text → words.
    """

    def __init__(
        self, facts: Sequence[tuple[str, str]], outputs: Sequence[tuple[str, str]], known: set[str], split: Split
    ) -> None:
        self._facts, self._outputs = facts, outputs
        self._known, self._split = known, split

    def html(self) -> Markup:
        """A ``<dl>``."""
        pair = Markup('<dt>{}</dt><dd dir="auto">{}</dd>')
        plain = [pair.format(printable(name), _cut(text)) for name, text in self._facts]
        marked = [pair.format(printable(name), self._underlined(_cut(text))) for name, text in self._outputs]
        return Markup('<dl class="example">\n{}\n</dl>').format(Markup("\n").join([*plain, *marked]))

    def markdown(self) -> str:
        """A list, without underlines."""
        return Facts([*self._facts, *self._outputs]).markdown()

    def _underlined(self, text: str) -> Markup:
        parts, place = [], 0
        for word in self._split(text):
            start = text.find(word, place)
            if start >= 0 and word not in self._known:  # tokenisers may write a character in another way
                parts.append(Markup("{}<u>{}</u>").format(text[place:start], word))
                place = start + len(word)
        return Markup("").join([*parts, text[place:]])


def differences_section(comparison: Comparison) -> Section | None:
    """The sentences in which each system gains and loses most against the first; None if there is one system only."""
    systems, (first, *others) = comparison.systems, comparison.results["chrf"]
    baseline = first.statistics.sentence_scores()
    parts: list[Part] = [Note("By chrF2 of the sentence, which stands in brackets. Underlined: words of no reference.")]
    for number, result in enumerate(others, 1):
        scores = result.statistics.sentence_scores()
        found = contest(baseline, scores)
        name, rival = systems.systems[number].name, systems.systems[0].name
        for verb, chosen in (("better", found.gained), ("worse", found.lost)):
            if chosen:
                parts.append(Heading(f"{name} is {verb} than {rival}"))
            sides = [(0, baseline), (number, scores)]
            parts += [_example(comparison, sentence, sides) for sentence in chosen]
    return make_section("Where they differ most", "differences", parts) if len(parts) > 1 else None


def _example(comparison: Comparison, sentence: int, sides: Sequence[tuple[int, Sequence[float]]]) -> _Example:
    systems = comparison.systems
    split = word_splitter(systems.evaluation)
    references = systems.references[sentence]
    facts = [("source", systems.sources[sentence])] if systems.sources is not None else []
    facts += [("reference", text) for text in references]
    outputs = [
        (f"{systems.systems[place].name} ({scores[sentence]:.1f})", systems.systems[place].outputs[0][sentence])
        for place, scores in sides
    ]
    return _Example(facts, outputs, {word for text in references for word in split(text)}, split)


def all_sentences_section(comparison: Comparison) -> Section:
    """A table of all sentences that the reader searches and sorts; no part of it is in Markdown."""
    systems, results = comparison.systems, comparison.results["chrf"]
    columns = [result.statistics.sentence_scores() for result in results]
    names = [system.name for system in systems.systems]
    sources = ["source"] if systems.sources is not None else []
    rows: list[list[Cell]] = []
    for number, references in enumerate(systems.references):
        row: list[Cell] = [systems.sources[number]] if systems.sources is not None else []
        row.append(" / ".join(references))
        for system, scores in zip(systems.systems, columns, strict=True):
            row += [system.outputs[0][number], scores[number]]
        rows.append(row)
    header = [*sources, "reference", *(cell for name in names for cell in (name, f"chrF2 of {name}"))]
    orders = [Order("Random", -1)]
    orders += [Order(f"Worst of {name}", header.index(f"chrF2 of {name}")) for name in names]
    html = browser("sentence-table", header, rows, orders)
    return Section("All sentences", "all", html, "The page in HTML has a table of them.")


def _cut(text: str) -> str:
    return shortened(printable(text), _LONGEST)
