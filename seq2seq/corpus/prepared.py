"""The corpus made ready once and found so afterwards: what training and evaluation read of it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq.config import Config
from seq2seq.corpus.build import PICTURES, REPORT, TOKENS, make
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import fingerprint
from seq2seq.corpus.subword import Vocabularies
from seq2seq.corpus.token_file import TokenColumn, open_columns
from seq2seq.files.cache import find_or_make

# Part of the cache's key: raise it when the same settings come to mean other ids.
_LAYOUT = 3


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything training and evaluation need of a corpus."""

    vocabularies: Vocabularies
    src: TokenColumn
    tgt: TokenColumn
    validation: list[Pair]
    test: list[Pair]
    report: dict[str, Any]
    """What was kept, what was dropped and why, and the corpus's fingerprint."""
    folder: Path
    """Where all this is kept."""
    pictures: tuple[str, ...] = ()
    """Names of the pictures, if sources are pictures: then a source's one token is its number among these."""


def prepare(config: Config) -> Prepared:
    """Makes the corpus of a recipe ready, or finds it so.

    The cache's key is made of the corpus, cleaning and subword settings and of the files' sizes and
    times: change any of them and the work is done anew, elsewhere.

    Raises:
        CorpusError: data that cannot be read or leave nothing to learn from, or what was made is damaged.
        ConfigError: a vocabulary that does not fit the corpus.
    """
    folder = _cache_folder(config)
    find_or_make(folder, partial(make, config))
    return _open(folder, config)


def corpus_summary(prepared: Prepared) -> str:
    """What was kept of a corpus and what was dropped, in one line."""
    report = prepared.report
    dropped = ", ".join(f"{count:,} {reason}" for reason, count in report["dropped"].items()) or "none"
    return (
        f"corpus: {report['kept']:,} training pairs, {report['validation']:,} validation, {report['test']:,} test; "
        f"dropped: {dropped}; test sources in training: {report['test sources in training']}"
    )


def _cache_folder(config: Config) -> Path:
    data = {key: value for key, value in asdict(config.data).items() if key != "directory"}
    # Sampling changes what training draws from the cache, not what is in it.
    subword = asdict(replace(config.subword, sampling=0.0))
    settings = [_LAYOUT, data, subword, fingerprint(config.data)]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    return Path(config.data.directory) / "prepared" / key


def _open(folder: Path, config: Config) -> Prepared:
    src, tgt = open_columns(folder / TOKENS)
    return Prepared(
        vocabularies=Vocabularies.load(folder, config.subword),
        src=src,
        tgt=tgt,
        validation=_read_jsonl(folder / "validation.jsonl"),
        test=_read_jsonl(folder / "test.jsonl"),
        report=json.loads((folder / REPORT).read_text(encoding="utf-8")),
        folder=folder,
        pictures=_read_pictures(folder),
    )


def _read_pictures(folder: Path) -> tuple[str, ...]:
    path = folder / PICTURES
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()


def _read_jsonl(path: Path) -> list[Pair]:
    return [Pair(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line]
