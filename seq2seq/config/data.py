"""The table ``[data]``: the corpus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from seq2seq.config.ranges import Range, range_faults

EMOJI_LANGUAGES = ("en", "de", "es", "fr")
# The outer form of a tag (RFC 5646, §2.1); which subtags are registered changes from year to year.
_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,5}")

_JOBS = {"digits": ("reverse", "copy"), "dates": ("iso",), "numbers": ("to-words", "to-digits", "both")}
"""What may be asked of corpora that are made on the spot."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Source of the pairs, and which of them are kept."""

    format: Literal[
        "auto",
        "files",
        "csv",
        "tsv",
        "jsonl",
        "parquet",
        "hub",
        "wheel",
        "digits",
        "dates",
        "numbers",
        "pictures",
        "hub-pictures",
        "emoji",
    ] = "auto"
    """``files``: two aligned ones. ``csv``: cells in quotes where need be, between commas, semicolons or tabs. ``tsv``:
    tabs, and quotes are letters. ``auto``: whichever kind of table it is, and where ``src`` and ``tgt`` are not set,
    its first two columns with text; of a folder without a table called ``train``, ``files``."""
    path: str = "data"
    """Folder or file; hub id; ``name==version`` of a package; language (emoji); what is asked of a corpus that is made
    on the spot: ``reverse`` or ``copy`` (digits), ``iso`` (dates), ``to-words``, ``to-digits``, ``both`` (numbers)."""
    src: str = "src"
    """Source side: file suffix; column number from 1 or header name; JSON key (dots go deeper)."""
    tgt: str = "tgt"
    """Likewise for the target; for ``hub-pictures`` the prefix of the captions' columns."""
    src_language: str = ""
    """Language of the sources as a BCP 47 tag, ``en`` or ``pt-BR``; empty: unknown, or no language."""
    tgt_language: str = ""
    """Likewise for the targets."""
    train: str = "train"
    """Name of the training part: file prefix, file name or hub split; for digits, dates and numbers how many pairs.

    Files may be sharded: ``train-*`` means all matching files in the order of their names; any may be packed (``.gz``,
    ``.xz``).
    For ``pictures``, ``valid[:50%]`` and ``valid[50%:]`` are the two halves of the images of ``valid``.
    """
    validation: str = ""
    """Name of the validation part; empty: ``validation_size`` sources are cut out of the training part."""
    test: str = ""
    """Name of the test part; empty: ``test_size`` sources are cut out of the training part."""
    member: str = ""
    """The file inside the package: CSV if its name ends in ``.csv``, a pronouncing dictionary like CMUdict if in
    ``.dict``, else tab-separated."""
    sha256: str = ""
    """SHA-256 of that member, in hex."""
    subset: str = ""
    """Hub configuration, for example ``fr-en``."""
    revision: str = ""
    """Hub revision; empty is the newest."""
    validation_size: Annotated[int | Literal["auto"], Range(0, 1_000_000)] = "auto"
    """``auto``, here and below: a tenth of the sources, at most 2,000."""
    test_size: Annotated[int | Literal["auto"], Range(0, 1_000_000)] = "auto"
    references: Literal["one", "all"] = "one"
    """``all``: pairs of the validation and test part with the same source are one sentence with several references.
    ``one``: every pair of a given part is a sentence of its own, and a part that is cut out has the first pair of each
    source. Pictures always have all their captions."""
    max_tokens: Annotated[int, Range(1, 100_000)] = 100
    """Training pairs with more subword tokens than this on either side are dropped."""
    long_sources: Literal["drop", "cut"] = "drop"
    """``cut``: keep the first ``max_tokens`` of a longer source, as for documents that are to be labelled."""
    max_ratio: Annotated[float, Range(1)] = 9.0
    """Pairs with a side of over this many times the other's characters, which count as at least 20, are dropped."""
    drop_duplicates: bool = True
    drop_identical: bool = True
    """Drop pairs whose sides are the same text: in real corpora they are untranslated."""
    licence: str = ""
    """Of the corpus, as hubs name it (``cc-by-2.0``); told in the run's card."""
    directory: str = "data"
    """Folder of downloads and prepared corpora."""

    @property
    def reads_images(self) -> bool:
        """True if sources are images."""
        return self.format in ("pictures", "hub-pictures", "emoji")

    @property
    def several_references(self) -> bool:
        """True if all targets of a held-out source are its references."""
        return self.reads_images or self.references == "all"


def data_faults(data: DataConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("data", data)
    yield from _language_faults(data)
    if data.format == "wheel" and not (data.member and len(data.sha256) == 64):
        yield 'data.format = "wheel" needs data.member (the file inside) and data.sha256 (64 hex digits)'
    if jobs := _JOBS.get(data.format):
        if data.path not in jobs:
            allowed = " or ".join(f'"{job}"' for job in jobs)
            yield f'data.path = "{data.path}" must be {allowed} when data.format = "{data.format}"'
        if not data.train.isdecimal() or len(data.train) > 9:
            yield (
                f'data.train = "{data.train:.20}" must be a number of pairs, below 10⁹, '
                f'when data.format = "{data.format}"'
            )
    if data.format == "emoji" and data.path not in EMOJI_LANGUAGES:
        yield f'data.path = "{data.path}" must be one of {", ".join(EMOJI_LANGUAGES)} when data.format = "emoji"'
    if data.format in ("csv", "tsv", "wheel") and any(
        side.isdecimal() and len(side) > 6 for side in (data.src, data.tgt)
    ):
        yield f"data.src = {data.src:.20} and data.tgt = {data.tgt:.20} must be names or numbers of columns"
    if data.format in ("wheel", "emoji", *_JOBS) and (data.validation or data.test):
        yield f'data.validation and data.test must be empty when data.format = "{data.format}"'
    if not data.validation and not data.validation_size:
        yield "data.validation_size = 0 must be at least 1 when data.validation is empty"


def _language_faults(data: DataConfig) -> Iterator[str]:
    for side in ("src_language", "tgt_language"):
        tag = getattr(data, side)
        if tag and not _LANGUAGE_TAG.fullmatch(tag):
            yield f'data.{side} = "{tag:.40}" must be a BCP 47 tag such as "en" or "pt-BR", or empty'
