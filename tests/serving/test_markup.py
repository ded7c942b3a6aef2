"""Markup stays byte for byte."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.serving.markup import join_html, split_html

MARKUP = [
    "<p>",
    "</p>",
    "<br/>",
    "<a href='x>y'>",
    '<a title="',
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<STYLE",
    "<?",
]
SNIPPETS = st.sampled_from(
    [*MARKUP, "<STYLE", "<![CDATA[", "]]>", "<!DOCTYPE html>", "&eacute;", "&#233;", *"<>&é \n'=a/"]
)
PAGES = st.lists(SNIPPETS).map("".join) | st.text()


def texts(page: str) -> list[str]:
    return [span.text for span in split_html(page) if span.is_text]


@given(PAGES)
def test_spans_are_the_page(page: str) -> None:
    assert "".join(span.source for span in split_html(page)) == page


@given(PAGES)
def test_a_page_whose_texts_stay_stays(page: str) -> None:
    assert join_html(split_html(page), texts(page)) == page


@given(PAGES, st.text(min_size=1))
def test_no_text_becomes_markup(page: str, text: str) -> None:
    """Whatever a model writes into the text nodes, the markup before and after is the same."""
    spans = split_html(page)
    if any(not span.is_text and not span.source.endswith(">") for span in spans):
        return  # markup without an end would swallow what is written after it, were anything
    written = split_html(join_html(spans, [text for span in spans if span.is_text]))
    assert [span.source for span in written if not span.is_text] == [span.source for span in spans if not span.is_text]
    assert all(span.text == text for span in written if span.is_text)


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<p class=x>Hi &amp; bye<br>now</p>", ["Hi & bye", "now"]),
        ("<script>if (a<b) x('</p>')</script>y<STYLE>p{}</style >z", ["y", "z"]),
        ("a<!-- b > c -->d", ["a", "d"]),
        ('<img alt="a > b">c', ["c"]),
        ("<p title=it's>x</p>", ["x"]),
        ("1 < 2 <3", ["1 < 2 <3"]),
        ("<!DOCTYPE html><title>T</title>", ["T"]),
    ],
)
def test_what_is_text(page: str, expected: list[str]) -> None:
    assert texts(page) == expected


@pytest.mark.parametrize(
    "unit", ["<", "<a ", "&", "<!--", "<a b='", "</", "<STYLE", "<![CDATA[", "&#", "<script>", "<a =\"'"]
)
def test_no_page_takes_long(unit: str) -> None:
    """html.parser took a minute for a tenth of this."""
    started = time.process_time()
    texts(unit * (1_000_000 // len(unit)))
    assert time.process_time() - started < 3
