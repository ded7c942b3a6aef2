"""HTML whose text is translated and whose markup stays as it is, byte for byte.

Not by :mod:`html.parser`, which takes quadratic time: a minute for 100 kB of ``<`` (docs/log.md).
"""

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# What begins markup: a comment, a tag, or something else that browsers read as a comment, such as <!DOCTYPE html>.
_OPENING = re.compile(r"<(?:(?P<comment>!--)|/?(?P<tag>[a-zA-Z][^\s/>]*)|[!?/])")
# The rest of a tag; quotes are quotes after an equals sign only.
_TAG_END = re.compile(r"""(?:[^>=]++|=\s*+(?:"[^"]*+"|'[^']*+')?+)*+>""")
# Elements whose content is no text.
_CODE_END = {name: re.compile(f"</{name}(?=[\\s/>])", re.IGNORECASE) for name in ("script", "style")}


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
    spans, position = [], 0
    for start, end in _markup(page):
        if start > position:
            spans.append(Span(page[position:start], True))
        spans.append(Span(page[start:end], False))
        position = end
    return [*spans, Span(page[position:], True)] if position < len(page) else spans


def join_html(spans: Sequence[Span], texts: Sequence[str]) -> str:
    """The page with a text for each text node; one that did not change keeps its spelling, ``&eacute;`` or ``é``."""
    remaining = iter(texts)
    return "".join(_respelled(span, next(remaining)) if span.is_text else span.source for span in spans)


def _respelled(span: Span, text: str) -> str:
    return span.source if text == span.text else html.escape(text, quote=False)


def _markup(page: str) -> Iterator[tuple[int, int]]:
    """Start and end of each tag, comment, script and style sheet; one without an end goes on to the end of the page."""
    position = 0
    while opening := _OPENING.search(page, position):
        position = _end(page, opening)
        yield opening.start(), position


def _end(page: str, opening: re.Match[str]) -> int:
    if opening["comment"]:
        found = page.find("-->", opening.end())
        return found + 3 if found >= 0 else len(page)
    if not opening["tag"]:
        found = page.find(">", opening.end())
        return found + 1 if found >= 0 else len(page)
    tag_end = _TAG_END.match(page, opening.end())
    if not tag_end:
        return len(page)
    code_end = None if opening[0].startswith("</") else _CODE_END.get(opening["tag"].lower())
    if code_end is None:
        return tag_end.end()
    found_code = code_end.search(page, tag_end.end())
    return found_code.start() if found_code else len(page)
