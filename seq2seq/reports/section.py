"""What a report consists of: sections, and tables in them, each as HTML and as Markdown."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from seq2seq.reports.text import printable, shortened

# Longest text of a table's cell, in characters.
_MAX_CELL = 500


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report, on one question."""

    title: str
    anchor: str
    """Its name in links to it: small letters and hyphens."""
    html: Markup
    """Without its heading."""
    markdown: str
    """Without its heading."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under a header."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[int] = ()
    """Columns that hold numbers: they are aligned at the right."""

    def html(self) -> Markup:
        """A ``<table>``; every text is escaped, long ones are shortened."""
        head = _row("th", self.header, self.numbers)
        body = Markup("\n").join(_row("td", row, self.numbers) for row in self.rows)
        return Markup('<div class="wide"><table>\n<thead>{}</thead>\n<tbody>\n{}\n</tbody></table></div>').format(
            head, body
        )

    def markdown(self) -> str:
        """A table of Markdown, in which no text can break out of its cell."""
        rule = ["---:" if column in self.numbers else "---" for column in range(len(self.header))]
        rows = [[markdown_text(cell) for cell in row] for row in (self.header, *self.rows)]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in (rows[0], rule, *rows[1:]))


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they stand for."""

    pairs: Sequence[tuple[str, str]]

    def html(self) -> Markup:
        """A ``<dl>``; every text is escaped."""
        pair = Markup('<dt>{}</dt><dd dir="auto">{}</dd>')
        pairs = (pair.format(printable(name), printable(value)) for name, value in self.pairs)
        return Markup("<dl>\n{}\n</dl>").format(Markup("\n").join(pairs))

    def markdown(self) -> str:
        """A list of Markdown."""
        return "\n".join(f"- **{markdown_text(name)}**: {markdown_text(value)}" for name, value in self.pairs)


def markdown_text(text: str) -> str:
    """A text that Markdown shows as it is, on one line, shortened if it is long."""
    line = printable(" ".join(shortened(text, _MAX_CELL).split()))
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", line).replace("&", "&amp;").replace("<", "&lt;")


def _row(tag: str, cells: Sequence[str], numbers: Sequence[int]) -> Markup:
    cell = {
        True: Markup(f'<{tag} class="number">{{}}</{tag}>'),
        False: Markup(f'<{tag} dir="auto">{{}}</{tag}>'),
    }
    parts = [
        cell[column in numbers].format(escape(shortened(printable(text), _MAX_CELL)))
        for column, text in enumerate(cells)
    ]
    return Markup("<tr>{}</tr>").format(Markup("").join(parts))
