"""Pages and their parts: hostile text stays text, and the same is said in HTML and in Markdown."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape
from pages import HOSTILE, read

from seq2seq.reports.page import html_page, json_script, markdown_page
from seq2seq.reports.section import Section, Table
from seq2seq.reports.text import printable


def section_of(text: str) -> Section:
    table = Table(["text"], [[text]])
    return Section("Texts", "texts", table.html() + json_script("data", [printable(text)]), table.markdown())


@given(st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_no_text_becomes_markup(text: str) -> None:
    plain = html_page("title", "lead", [section_of("plain")])
    page = html_page(text, text, [section_of(text)])
    assert read(page).tags == read(plain).tags
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\uffff]", page)


@given(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=400)))
def test_a_cell_holds_its_text(text: str) -> None:
    assert read(Table(["a"], [[text]]).html()).cells[1].rstrip("\n") == printable(text)
    lines = Table(["a", "b"], [[text, "next"]]).markdown().splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3


@given(st.lists(st.text()))
def test_the_script_reads_the_texts_back(texts: list[str]) -> None:
    texts = [printable(text) for text in texts]
    element = json_script("data", texts)
    content = re.fullmatch(r'<script type="application/json" id="data">([^<]*)</script>', str(element))
    assert content is not None
    assert json.loads(content[1]) == texts


def test_html_that_is_not_marked_as_such_is_escaped() -> None:
    careless = Section("Title", "anchor", "<b>bold</b>", "")  # type: ignore[arg-type]
    assert str(escape("<b>bold</b>")) in html_page("title", "lead", [careless])


def test_both_pages_have_every_section_in_order() -> None:
    sections = [Section(f"Part {n}", f"part-{n}", Markup(f"<p>html {n}</p>"), f"markdown {n}") for n in range(3)]
    page, text = html_page("title", "lead", sections), markdown_page("title", "lead", sections)
    assert re.findall(r"html \d", page) == ["html 0", "html 1", "html 2"]
    assert re.findall(r'<a href="#(part-\d)">', page) == re.findall(r'<section id="(part-\d)">', page)
    assert re.findall(r"^## Part \d|^markdown \d", text, flags=re.MULTILINE) == [
        line for n in range(3) for line in (f"## Part {n}", f"markdown {n}")
    ]


def test_a_long_text_is_cut() -> None:
    table = Table(["a"], [["x" * 1_000_000]])
    assert len(table.html()) < 1000
    assert len(table.markdown()) < 1000
    assert "…" in table.html()
