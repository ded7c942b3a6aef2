"""docs/architecture.md is the map of the code: it names every file, and no file that is not there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAP = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FILES = {
    str(path.relative_to(ROOT / "seq2seq")): path
    for path in (ROOT / "seq2seq").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py")
}


def table() -> set[str]:
    """Every file that the table of rooms names: the room in the first column, or in the last one that is not empty."""
    named, room = set(), ""
    for line in MAP.partition("## Files")[2].partition("\n## ")[0].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3:
            room = cells[0].strip("`") or room
            named |= {f"{room}/{name}".removeprefix("–/") for name in re.findall(r"`([\w/]+\.py)`", cells[1])}
    return named


def test_the_map_names_every_file_and_none_that_is_gone() -> None:
    assert table() == FILES.keys()


@pytest.mark.parametrize("path", sorted({*re.findall(r"`((?:seq2seq|tests|scripts|docs)/[\w./-]+)`", MAP)}))
def test_every_path_in_the_map_is_there(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("reference", sorted({*re.findall(r"`([\w/]+\.py):([\w.]+)`", MAP)}), ids=":".join)
def test_every_function_in_the_map_is_there(reference: tuple[str, str]) -> None:
    """``model/decoder.py:Decoder.step``: the file defines the last name, within the class before it if there is one."""
    file, name = reference
    source = FILES[file].read_text(encoding="utf-8")
    *outer, inner = name.split(".")
    for class_name in outer:
        source = re.split(rf"^class {class_name}\b", source, flags=re.MULTILINE)[1]
        source = re.split(r"^(?:class|def) ", source, flags=re.MULTILINE)[0]
    assert re.search(rf"^\s*(?:class|def|async def) {inner}\b|^    {inner}: ", source, flags=re.MULTILINE)
