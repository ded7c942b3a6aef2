"""What is wrong with outputs that no score says, and which words a model writes too often or too rarely."""

from collections.abc import Sequence
from itertools import zip_longest

from seq2seq.evaluation.health import Health
from seq2seq.evaluation.ngrams import Tallies, Tally
from seq2seq.reports.parts import Note, make_section
from seq2seq.reports.section import Section, Table

_NOTE = "A fault counts only where no reference has it too."
_PHRASES = (
    "Words and phrases that the outputs have more often, or more rarely, than their references: the surest "
    "differences first. “Too many” counts occurrences that no reference of the sentence has, “missing” the reverse."
)


def faults_section(
    health: Health,
    cut: Sequence[int],
    longest: Sequence[int],
    lost: Sequence[int],
    outputs: Sequence[str],
    sources: Sequence[str],
) -> Section:
    """Length ratio and faults, each with an example.

    Args:
        health: of the outputs.
        cut: numbers of the sources whose ends were not read.
        longest: numbers of the outputs that are as long as they may be.
        lost: numbers of the outputs that lack a protected text.
        outputs: of the model.
        sources: one for each output.
    """
    kinds = [
        ("source longer than the model reads", cut),
        ("output as long as it may be", longest),
        ("protected text lost", lost),
        ("empty output", health.empty),
        ("unknown word", health.unknown),
        ("a phrase three times in a row", health.looping),
        ("source copied", health.copied or []),
    ]
    rows = []
    for name, numbers in kinds:
        example = f"{sources[numbers[0]]} → {outputs[numbers[0]]}" if numbers else ""
        rows.append([name, f"{len(numbers):,}", f"{len(numbers) / max(health.outputs, 1):.1%}", example])
    ratio = Note(f"Outputs have {health.length_ratio:.3f} words for each word of the references. {_NOTE}")
    table = Table(["fault", "outputs", "share", "the first one"], rows, numbers=(1, 2))
    return make_section("Health", "health", [ratio, table])


def word_choice_section(tallies: Tallies) -> Section | None:
    """N-grams that are over- and under-produced; None if there are none."""
    if not tallies.more and not tallies.fewer:
        return None
    header = ["too often", "too many", "missing", "too rarely", "too many", "missing"]
    rows = [[*_cells(more), *_cells(fewer)] for more, fewer in zip_longest(tallies.more, tallies.fewer)]
    return make_section("Words and phrases", "ngrams", [Note(_PHRASES), Table(header, rows, numbers=(1, 2, 4, 5))])


def _cells(tally: Tally | None) -> list[str]:
    return [" ".join(tally.ngram), f"{tally.more:,}", f"{tally.fewer:,}"] if tally else ["", "", ""]
