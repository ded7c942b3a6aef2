"""The report in a browser: its script works, hostile text is shown as text, and 2,000 sentences open in under 2 s."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seq2seq.reports.page import html_page
from seq2seq.reports.samples import Sample, samples_section

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")

HOSTILE = "</script><script>document.title='bad'</script><img src=x onerror=\"document.title='bad'\">"


def dom(page: str, folder: Path) -> str:
    """The document after its script has run."""
    path = folder / "page.html"
    path.write_text(page, encoding="utf-8")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command = [str(CHROMIUM), *options, "--dump-dom", path.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def page_of(samples: list[Sample], script: str = "") -> str:
    page = html_page("A run", "lead", [samples_section(samples)])
    # Without its policy a page would also run what a test adds.
    return re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page) + script if script else page


def cells(document: str) -> list[list[str]]:
    body = re.findall(r"<tbody>(.*?)</tbody>", document, flags=re.DOTALL)[0]
    return [
        [html.unescape(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body, flags=re.DOTALL)
    ]


def test_the_script_shows_the_rows_as_text(tmp_path: Path) -> None:
    document = dom(page_of([Sample(HOSTILE, [HOSTILE], HOSTILE, 12.5, -1.0)]), tmp_path)
    assert "<title>A run</title>" in document
    assert cells(document) == [[HOSTILE, HOSTILE, HOSTILE, "12.5", "-1.0", str(len(HOSTILE))]]
    assert "1 of 1 rows" in document


def test_buttons_sort_and_the_field_searches(tmp_path: Path) -> None:
    samples = [Sample(f"source {n}", ["r"], "out", float(n * 37 % 100), -1.0) for n in range(100)]

    def after(script: str) -> list[str]:
        document = dom(page_of(samples, f"<script>{script}</script>"), tmp_path)
        return [row[3] for row in cells(document)]

    click = "[...document.querySelectorAll('.controls button')].find((b) => b.textContent === '{}').click();"
    assert after(click.format("Worst")) == [f"{n}.0" for n in range(20)]
    assert after(click.format("Best")) == [f"{99 - n}.0" for n in range(20)]
    assert len(after(click.format("More"))) == 100
    search = "const s = document.querySelector('input'); s.value = 'SOURCE 77'; s.dispatchEvent(new Event('input'));"
    assert after(search) == [f"{77 * 37 % 100}.0"]
    header = "document.querySelectorAll('th button')[3].click();"
    assert after(header)[:2] == ["99.0", "98.0"]
    assert after(header * 2)[:2] == ["0.0", "1.0"]


def test_two_thousand_sentences_open_in_two_seconds(tmp_path: Path) -> None:
    """The browser's own clock: from the beginning of the navigation to the end of the load event."""
    samples = [
        Sample("a source of some words " * 4, ["a reference " * 6], "an output " * 6, n % 100.0, -1.0)
        for n in range(2000)
    ]
    measure = "<script>onload = () => setTimeout(() => document.title = performance.now())</script>"
    page = page_of(samples, measure)
    assert len(page) < 3_000_000
    took = min(float(re.findall("<title>(.*?)</title>", dom(page, tmp_path))[0]) for _ in range(2))
    assert took < 2000
