"""A recipe for a user's table: its settings, each with the reason that was seen in the data."""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.automatic import SideStatistics, piece_type
from seq2seq.corpus.cleaning import dropped_in_words, length_ratio, normalised
from seq2seq.corpus.look import Look, look
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.prepared import FEW, FEWEST
from seq2seq.corpus.sources import read_pairs
from seq2seq.errors import CorpusError

# So many pairs tell what the rest are like.
_MOST = 100_000
# Texts up to this share of the pairs fit; what is longer is rare or a fault.
_FITTING = 0.999
# Room above the longest text that fits, and the largest default.
_ROOM, _MOST_TOKENS = 1.2, 500
# Characters of a piece, on the safe side.
_PIECE = 2
# From so many equal sides on, texts are changed rather than translated.
_EQUAL = 0.02
_NO_LETTERS = "no letters"


@dataclass(frozen=True, slots=True)
class _Findings:
    """What the pairs of a table are like."""

    pairs: int
    more: bool
    """There are more pairs than were looked at."""
    src: SideStatistics
    tgt: SideStatistics
    longest: int
    """Characters of the longer side, of nearly all pairs."""
    ratio: float
    """:func:`length_ratio` of nearly all pairs, at most."""
    equal: float
    """Share of the pairs whose sides are the same."""
    dropped: Counter[str]


def new(path: str | Path) -> str:
    """Looks at a table and writes a recipe for it, as TOML with the reasons as comments.

    >>> table = folder / "days.csv"
    >>> with table.open("w") as stream:
    ...     print("written,short", "3 May,05-03", "1 June,06-01", sep=chr(10), file=stream)
    >>> recipe = seq2seq.new(table)
    >>> [line for line in recipe.splitlines() if line.startswith(("src", "tgt"))]
    ['src = "written"', 'tgt = "short"']

    Args:
        path: of the table: CSV, tab-separated values, JSON lines or Parquet, plain or packed.

    Raises:
        CorpusError: it cannot be read, or holds no pairs.
    """
    seen = look(Path(path))
    found = _study(Path(path), seen)
    spelled = piece_type(found.src, found.tgt) == "char"
    return "\n".join((*_data_lines(Path(path), seen, found, spelled=spelled), *_model_lines(found, spelled=spelled)))


def _study(path: Path, seen: Look) -> _Findings:
    dropped: Counter[str] = Counter()
    data = DataConfig(format=seen.format, path=str(path), src=seen.src, tgt=seen.tgt)
    src, tgt = SideStatistics(), SideStatistics()
    lengths: list[int] = []
    ratios: list[float] = []
    equal = 0
    pairs = read_pairs(data, "train", dropped)
    for pair in _nonempty(pairs, data, dropped):
        src.add(pair.src)
        tgt.add(pair.tgt)
        lengths.append(max(len(pair.src), len(pair.tgt)))
        ratios.append(length_ratio(pair))
        equal += pair.src == pair.tgt
        if len(lengths) == _MOST:
            break
    if not lengths:
        raise CorpusError(f"{path}: expected pairs, found none with text in the columns {seen.src} and {seen.tgt}")
    nearly_all = int(_FITTING * (len(lengths) - 1))
    return _Findings(
        pairs=len(lengths),
        more=next(pairs, None) is not None,
        src=src,
        tgt=tgt,
        longest=sorted(lengths)[nearly_all],
        ratio=sorted(ratios)[nearly_all],
        equal=equal / len(lengths),
        dropped=dropped,
    )


def _nonempty(pairs: Iterator[Pair], data: DataConfig, dropped: Counter[str]) -> Iterator[Pair]:
    for raw in pairs:
        pair = normalised(raw, data, SubwordConfig())
        if pair.src and pair.tgt:
            yield pair
        else:
            dropped["empty side"] += 1


def _data_lines(path: Path, seen: Look, found: _Findings, *, spelled: bool) -> list[str]:
    count = f"{'more than ' if found.more else ''}{found.pairs:,} pair{'s' if found.pairs > 1 else ''}"
    others = [name for name in seen.columns if name not in (seen.src, seen.tgt)]
    header = "numbers: the first line looks like a pair" if seen.src.isdecimal() else "names in the first record"
    if seen.format in ("csv", "tsv") and not seen.src.isdecimal():
        header = "the first line looks like a header"
    tokens = found.longest if spelled else found.longest / _PIECE
    most = min(_MOST_TOKENS, max(20, round(_ROOM * tokens)))
    changed = found.equal >= _EQUAL
    few = [f"# {FEW.capitalize()}."] if found.pairs < FEWEST else []
    return [
        f"# {path.name}: {count}; left out: {dropped_in_words(found.dropped)}. "
        "Written by 'seq2seq new', with the reason beside each setting.",
        *few,
        "",
        "[data]",
        f"path = {_toml(str(path))}",
        f"format = {_toml(seen.format)}",
        f"# Columns: {header}{f'; others: {_listed(others)}' if others else ''}.",
        f"src = {_toml(seen.src)}",
        f"tgt = {_toml(seen.tgt)}",
        f"max_tokens = {most}  # nearly all texts have at most {found.longest:,} characters; longer ones are dropped",
        *_document_lines(found, is_long=tokens > _MOST_TOKENS),
        f"drop_identical = {_toml(not changed)}  # {found.equal:.1%} of the pairs have two equal sides",
        'validation_size = "auto"  # a tenth of the sources, at most 2,000',
        'test_size = "auto"',
        "",
    ]


def _document_lines(found: _Findings, *, is_long: bool) -> list[str]:
    """What lets a document have a label or a summary."""
    lines = ['long_sources = "cut"  # of a longer source the beginning is read'] if is_long else []
    if found.ratio > DataConfig().max_ratio:
        reason = f"nearly all pairs have a side of at most {found.ratio:.0f} times the other's characters"
        lines.append(f"max_ratio = {_ROOM * found.ratio:.1f}  # {reason}")
    return lines


def _model_lines(found: _Findings, *, spelled: bool) -> list[str]:
    src, tgt = _scripts(found.src), _scripts(found.tgt)
    joint = src[:1] == tgt[:1] or [_NO_LETTERS] in (src, tgt)
    words = [side.words / side.texts for side in (found.src, found.tgt)]
    lengths = [side.characters / side.texts for side in (found.src, found.tgt)]
    means = " and ".join(
        f"{count:.1f} words, {length:.0f} characters" for count, length in zip(words, lengths, strict=True)
    )
    kind = "short texts of few words, or few in all: they are spelled" if spelled else "sentences"
    sides = "pieces are shared" if joint else "scripts differ, and so do pieces"
    return [
        "[subword]",
        f"# Means of source and target: {means}.",
        f"type = {_toml('char' if spelled else 'unigram')}  # {kind}",
        'vocab_size = "auto"',
        f"joint = {_toml(joint)}  # {_listed(src)} to {_listed(tgt)}: {sides}",
        "",
        "[model]",
        "# A bidirectional encoder with attention, which learns most from few pairs.",
        'encoder = "bidirectional"',
        'attention = "additive"',
        'bridge = "project"',
        "reverse_source = false",
        "layers = 2",
        f"tie_embeddings = {_toml('all' if joint else 'target')}",
        'dropout = "auto"  # more for fewer pairs',
        "",
        "[training]",
        "# The number of epochs goes by the number of pairs, unless max_epochs, max_updates or max_minutes is set.",
        'batch_tokens = "auto"',
        "warmup_updates = 200",
        "",
    ]


def _scripts(side: SideStatistics) -> list[str]:
    """Scripts of a side's letters, the one with most letters in its alphabet first."""
    scripts = Counter(_script(one) for one in side.alphabet if one.isalpha())
    return [script for script, _ in scripts.most_common(3)] or [_NO_LETTERS]


def _script(letter: str) -> str:
    """How the letter's name in Unicode begins: ``Latin``, ``Devanagari``."""
    name = unicodedata.name(letter, "?").partition(" ")[0].partition("-")[0]
    return "Han" if name == "CJK" else name.capitalize()


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5])


def _toml(value: str | bool) -> str:
    """A string or truth value as TOML: JSON's are, but for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
