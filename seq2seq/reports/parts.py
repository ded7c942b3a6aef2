"""Parts of a section, each as HTML and as Markdown, and the section that they make."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from markupsafe import Markup

from seq2seq.reports.chart import Chart, draw_chart
from seq2seq.reports.section import Section, Table, markdown_text
from seq2seq.reports.text import printable


class Part(Protocol):
    """What a section consists of: such as a table, or one of the classes below."""

    def html(self) -> Markup:
        """As an element."""

    def markdown(self) -> str:
        """As Markdown."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading inside a section."""

    text: str

    def html(self) -> Markup:
        """An ``<h3>``."""
        return Markup('<h3 dir="auto">{}</h3>').format(printable(self.text))

    def markdown(self) -> str:
        """Of the third level."""
        return f"### {markdown_text(self.text)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph of explanation."""

    text: str

    def html(self) -> Markup:
        """A ``<p>``."""
        return Markup('<p class="note">{}</p>').format(printable(self.text))

    def markdown(self) -> str:
        """A paragraph."""
        return markdown_text(self.text)


@dataclass(frozen=True, slots=True)
class Figures:
    """Charts side by side, and their numbers, which are all that Markdown has."""

    charts: Sequence[Chart]
    numbers: Sequence[Table]
    """A table for each chart, or none."""

    def html(self) -> Markup:
        """The charts, and the tables folded up below them."""
        figure = Markup("<figure>{}</figure>")
        drawings = Markup("\n").join(figure.format(draw_chart(chart)) for chart in self.charts)
        parts = [Markup('<div class="figures">{}</div>').format(drawings)]
        if self.numbers:
            tables = Markup("\n").join(table.html() for table in self.numbers)
            parts.append(Markup("<details><summary>Numbers</summary>{}</details>").format(tables))
        return Markup("\n").join(parts)

    def markdown(self) -> str:
        """The tables."""
        return "\n\n".join(table.markdown() for table in self.numbers)


def make_section(title: str, anchor: str, parts: Sequence[Part]) -> Section:
    """A section of parts in their order.

    Args:
        title: its heading.
        anchor: its name in links.
        parts: what it consists of.
    """
    html = Markup("\n").join(part.html() for part in parts)
    return Section(title, anchor, html, "\n\n".join(filter(None, (part.markdown() for part in parts))))
