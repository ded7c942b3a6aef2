"""Outputs beside their references."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seq2seq.reports.browser import Cell, Order, browser, format_cell
from seq2seq.reports.section import Section, Table
from seq2seq.reports.selection import evenly

# Rows of each table in Markdown.
_ROWS = 5
_HEADER = ("source", "reference", "output", "chrF", "log-probability per token", "source length")
_CHRF, _LENGTH = 3, 5
_NOTE = (
    "chrF is of one sentence against its reference, from 0 to 100 (higher is better); "
    "the log-probability is the model's own, in nats; the length is in characters."
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A source and what became of it."""

    source: str
    references: Sequence[str]
    output: str
    chrf: float
    log_prob: float
    """Per token, in nats."""

    def row(self) -> list[Cell]:
        """Cells of a table."""
        references = " / ".join(self.references)
        return [self.source, references, self.output, self.chrf, self.log_prob, len(self.source)]


def samples_section(samples: Sequence[Sample]) -> Section:
    """Samples that the reader searches and sorts; in Markdown some at even distances, the best, worst and longest."""
    cells = [sample.row() for sample in samples]
    orders = [
        Order("Random", -1),
        Order("Worst", _CHRF),
        Order("Best", _CHRF, descending=True),
        Order("Longest", _LENGTH, descending=True),
    ]
    html = Markup('<p class="note">{}</p>\n{}').format(_NOTE, browser("sample-table", _HEADER, cells, orders))
    worst = sorted(samples, key=lambda sample: sample.chrf)
    longest = sorted(samples, key=lambda sample: -len(sample.source))
    even = evenly(samples, 2 * _ROWS)
    parts = [_NOTE]
    for title, some in (
        ("At even distances", even),
        ("Best", worst[::-1][:_ROWS]),
        ("Worst", worst[:_ROWS]),
        ("Longest", longest[:_ROWS]),
    ):
        rows = [list(map(format_cell, sample.row()))[:4] for sample in some]
        parts += [f"### {title}", Table(_HEADER[:4], rows, numbers=(_CHRF,)).markdown()]
    return Section("Samples", "samples", html, "\n\n".join(parts))
