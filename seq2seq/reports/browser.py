"""A table that the reader searches and sorts, by the page's script; without the script its first rows are there."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seq2seq.reports.page import json_script, render
from seq2seq.reports.section import Table
from seq2seq.reports.selection import evenly
from seq2seq.reports.text import printable, shortened

# Rows that are shown before more are asked for; also those of a page without its script.
_FIRST_ROWS = 20
# Characters of a cell, and of the whole table: a page stays below 3 MB.
_MAX_CELL, _MAX_TABLE = 500, 400_000

Cell = str | float | int


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the rows that one button gives."""

    name: str
    column: int
    """The rows are sorted by this column; −1: at random."""
    descending: bool = False


def browser(anchor: str, header: Sequence[str], rows: Sequence[Sequence[Cell]], orders: Sequence[Order]) -> Markup:
    """A searchable table of all rows, or, of more than fit into a page, of some at even distances, which it says.

    Args:
        anchor: the element's id.
        header: a name for each column.
        rows: texts, whole numbers, and numbers that are shown with one decimal; those of a column are all of one kind.
        orders: the buttons; the first one is the order at the beginning.
    """
    short = [[shortened(printable(cell), _MAX_CELL) if isinstance(cell, str) else cell for cell in row] for row in rows]
    size = sum(len(cell) if isinstance(cell, str) else 8 for row in short for cell in row)
    shown = evenly(short, max(1, len(short) * _MAX_TABLE // max(size, _MAX_TABLE)))
    numbers = [column for column, cell in enumerate(rows[0]) if not isinstance(cell, str)] if rows else []
    cut = sum(isinstance(cell, str) and len(cell) > _MAX_CELL for row in rows for cell in row)
    content = {
        "decimals": [None if isinstance(cell, str) else int(isinstance(cell, float)) for cell in rows[0]]
        if rows
        else [],
        "rows": [[round(cell, 2) if isinstance(cell, float) else cell for cell in row] for row in shown],
        "orders": [{"column": order.column, "descending": order.descending} for order in orders],
        "first": _FIRST_ROWS,
    }
    return render(
        "browser.html",
        anchor=anchor,
        orders=orders,
        data=json_script(f"{anchor}-data", content),
        table=Table(header, [list(map(format_cell, row)) for row in shown[:_FIRST_ROWS]], numbers).html(),
        total=len(rows),
        shown=len(shown),
        cut=cut,
        most=_MAX_CELL,
    )


def format_cell(cell: Cell) -> str:
    """A cell as text."""
    return f"{cell:.1f}" if isinstance(cell, float) else str(cell)
