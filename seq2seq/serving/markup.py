"""HTML whose text is translated and whose markup stays as it is, byte for byte."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

_UNSPOKEN = ("script", "style")


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a page: a text node, or markup."""

    source: str
    """As it stands in the page."""
    is_text: bool

    @property
    def text(self) -> str:
        """What a reader sees of a text node."""
        return html.unescape(self.source)


def split_html(page: str) -> list[Span]:
    """Text nodes and the markup between them; joined, they are the page."""
    parser = _Parser()
    parser.feed(page)
    parser.close()
    starts = [*_offsets(page, parser.positions), len(page)]
    spans: list[Span] = []
    for start, end, is_text in zip(starts, starts[1:], parser.texts, strict=False):
        if spans and spans[-1].is_text == is_text:
            spans[-1] = Span(spans[-1].source + page[start:end], is_text)
        else:
            spans.append(Span(page[start:end], is_text))
    return spans


def join_html(spans: Sequence[Span], texts: Sequence[str]) -> str:
    """The page with a text for each text node; one that did not change keeps its spelling, ``&eacute;`` or ``é``."""
    remaining = iter(texts)
    return "".join(_respelled(span, next(remaining)) if span.is_text else span.source for span in spans)


def _respelled(span: Span, text: str) -> str:
    return span.source if text == span.text else html.escape(text, quote=False)


class _Parser(HTMLParser):
    """Where each piece of a page begins, and whether it is text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.positions: list[tuple[int, int]] = []
        self.texts: list[bool] = []

    def _note(self, is_text: bool) -> None:
        self.positions.append(self.getpos())
        self.texts.append(is_text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<p>``."""
        self._note(False)

    def handle_endtag(self, tag: str) -> None:
        """``</p>``."""
        self._note(False)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """``<br/>``, which is one tag, not two."""
        self._note(False)

    def handle_data(self, data: str) -> None:
        """Text."""
        self._note(self.cdata_elem not in _UNSPOKEN)

    def handle_entityref(self, name: str) -> None:
        """``&eacute;``."""
        self._note(True)

    def handle_charref(self, name: str) -> None:
        """``&#233;``."""
        self._note(True)

    def handle_comment(self, data: str) -> None:
        """``<!-- … -->``."""
        self._note(False)

    def handle_decl(self, decl: str) -> None:
        """``<!DOCTYPE html>``."""
        self._note(False)

    def handle_pi(self, data: str) -> None:
        """``<?xml … ?>``."""
        self._note(False)

    def unknown_decl(self, data: str) -> None:
        """``<![CDATA[ … ]]>``."""
        self._note(False)


def _offsets(page: str, positions: Sequence[tuple[int, int]]) -> list[int]:
    """Positions of line and column as numbers of characters."""
    lines = [0]
    for line in page.split("\n"):
        lines.append(lines[-1] + len(line) + 1)
    return [lines[line - 1] + column for line, column in positions]
