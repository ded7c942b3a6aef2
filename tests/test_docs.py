"""The documentation: pages that are generated are current, links lead somewhere, commands do what they say."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.config.reference import settings_reference
from seq2seq.errors import ConfigError

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
# Trainings of a few updates are enough to see that the commands after them work.
_SHORT = r"\1 --set training.max_updates=20 --set training.validate_every=10"
_TOY = " --set data.train=2000 --set data.validation_size=20 --set data.test_size=20"


_SHELL = re.compile(r"^```sh\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
# A transcript: what is typed after a dollar sign, up to the end of its pipe, and below it what came out.
_TYPED = re.compile(r"^    \$ ((?:.*\|\n)*.*\n)", flags=re.MULTILINE)


def commands(page: Path) -> str:
    """What the page tells to run in a shell, but for what needs data that a fresh clone lacks."""
    text = page.read_text(encoding="utf-8")
    blocks = [block for block in _SHELL.findall(text) if not block.startswith("# needs data: ")]
    return "".join([*blocks, *_TYPED.findall(text)])


def test_the_page_of_settings_is_what_the_command_prints() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == settings_reference() + "\n"


def test_the_page_of_the_api_is_what_the_docstrings_say() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "api_page.py"], capture_output=True, check=True)
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == done.stdout.decode()


def test_one_table_is_a_part_of_the_reference() -> None:
    assert settings_reference("decoding") in settings_reference()
    assert "### decoding.beam\n\na whole number, 1 to 1,000; default `5`\n\nHypotheses kept" in settings_reference(
        "decoding"
    )
    with pytest.raises(ConfigError, match="no table 'decode': expected one of data, subword"):
        settings_reference("decode")


def test_the_site_is_built_and_every_link_of_it_leads_somewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {page.with_suffix(".html").name for page in PAGES} <= set(os.listdir(tmp_path / "site"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "log.md"], ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:seq2seq|scripts|tests)/[\w./-]+\.\w+)`", page.read_text(encoding="utf-8"))
    assert not [path for path in named if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_run_by_a_test_or_marked(page: Path) -> None:
    rest = _TYPED.sub("", _SHELL.sub("", page.read_text(encoding="utf-8")))
    assert not re.findall(
        r"^ *(?:\.venv/bin/)?(?:seq2seq|torchrun|make|python3?|pip|curl) .*", rest, flags=re.MULTILINE
    )


def test_every_message_that_troubleshooting_quotes_is_one_of_ours() -> None:
    headings = re.findall(
        r"^\*\*(.*?)\*\*", (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    quoted = [part.strip() for text in headings for quote in re.findall('"(.*?)"', text) for part in quote.split("…")]
    assert len(quoted) > 10
    said = "\n".join(texts_of(path) for path in (ROOT / "seq2seq").rglob("*.py"))
    assert not [part for part in quoted if part not in said]


def texts_of(module: Path) -> str:
    """The texts in a module's code, those in several pieces as one, with values left out."""
    lines = []
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        texts = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        lines.append("".join(texts))
    return "\n".join(lines)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, digits_run: Path, tmp_path: Path) -> None:
    rows = [f'"day {day} of May, {year}",{year}-05-{day:02}' for year in range(1990, 2010) for day in range(1, 31)]
    (tmp_path / "pairs.csv").write_text("\n".join(["written,ISO", *rows]))
    (tmp_path / "new-texts").write_text("day 3 of May, 1998\n")
    (tmp_path / "run").symlink_to(digits_run)  # without a space in its name
    (tmp_path / "lines").write_text("12\n345\n")
    (tmp_path / "right-answers").write_text("1998-05-03\n")
    script = re.sub(r"(seq2seq train \S+)", _SHORT, commands(page))
    script = script.replace("train reverse-digits", "train reverse-digits" + _TOY)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "M": "run"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path, env=environment, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
