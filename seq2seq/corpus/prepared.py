"""The prepared corpus, built once and cached: all that training and evaluation read of it."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from seq2seq.config import Config
from seq2seq.config.automatic import settle
from seq2seq.corpus.build import IMAGES, REPORT, TOKENS, build_corpus
from seq2seq.corpus.cleaning import dropped_in_words
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import fingerprint
from seq2seq.corpus.subword import Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.corpus.token_file import TokenColumn, open_columns
from seq2seq.corpus.unknown import unknown_in_words
from seq2seq.errors import CorpusError
from seq2seq.files.cache import find_or_make, is_made

FEWEST = 1000
"""Training pairs below which a corpus is small."""
FEW = f"under {FEWEST:,} pairs are few: bring more if you can"
"""What is said of one."""
# Part of the cache's key: increase it when the same settings come to give other ids.
_LAYOUT = 7


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared corpus."""

    vocabularies: Vocabularies
    src: TokenColumn
    tgt: TokenColumn
    validation: list[Pair]
    test: list[Pair]
    report: dict[str, Any]
    """What was kept, what was dropped and why, and the corpus's fingerprint."""
    folder: Path
    """The cached folder."""
    images: tuple[str, ...] = ()
    """Names of the images, if sources are images: then a source's one token is its index among these."""

    @property
    def target_lengths(self) -> TargetLengths:
        """How long the targets of the training part are."""
        return TargetLengths.read(self.report["target lengths"])


def prepare(config: Config, run: Path | None = None) -> Prepared:
    """Builds the corpus of a recipe, or opens it if it is in the cache.

    The cache's key is a hash of the settings of corpus, cleaning and subwords, of the files' sizes and times, and of a
    vocabulary that is not learned but given: where one of them changes, the corpus is built again in another folder.

    Args:
        config: the recipe.
        run: a folder that holds the vocabulary of a training that starts from another run; None: look in that one.
            Other trainings learn theirs.

    Raises:
        CorpusError: data that cannot be read, or of which nothing is left to learn from; a damaged cache.
        ConfigError: a vocabulary that does not fit the corpus.
        RunError: the cache cannot be written, or the run lacks the vocabulary.
    """
    given = _given_vocabularies(config, run)
    folder = _cache_folder(config, given)
    find_or_make(folder, partial(build_corpus, config, given=given))
    return _open(folder, config)


def find_prepared(config: Config, run: Path) -> Prepared | None:
    """The corpus of a run if it is in the cache and intact; builds nothing."""
    try:
        folder = _cache_folder(config, _given_vocabularies(config, run))
        return _open(folder, config) if is_made(folder) else None
    except CorpusError:
        return None


def corpus_summary(prepared: Prepared) -> str:
    """What was kept of a corpus and what was dropped, in one line."""
    report = prepared.report
    unknown = unknown_in_words(report["unknown tokens"])
    old = f" and {report['old pairs']:,} of the old corpus" if "old pairs" in report else ""
    return (
        f"corpus: {report['kept']:,} training pairs{old}, "
        f"{report['validation']:,} validation, {report['test']:,} test; "
        f"dropped: {dropped_in_words(report['dropped'])}; "
        f"test sources in training: {report['test sources in training']}"
        f"{f'; unknown tokens: {unknown}' if unknown else ''}"
        f"{f'; {FEW}' if report['kept'] < FEWEST else ''}"
    )


def settled(config: Config, prepared: Prepared, gpu_memory: int) -> Config:
    """A recipe for this corpus, with no ``auto`` left in what training needs; see :func:`settle`."""
    return settle(config, prepared.report["kept"], prepared.report["tokens"]["tgt"], gpu_memory)


def _given_vocabularies(config: Config, run: Path | None) -> Vocabularies | None:
    start = config.training.start_from
    return Vocabularies.load(run or Path(start), config.subword) if start else None


def _cache_folder(config: Config, given: Vocabularies | None) -> Path:
    unread = ("directory", "src_language", "tgt_language", "licence")
    data = {key: value for key, value in asdict(config.data).items() if key not in unread}
    # Subword sampling changes what training draws, not what is cached.
    subword = asdict(replace(config.subword, sampling=0.0))
    settings = [_LAYOUT, data, subword, fingerprint(config.data)]
    if given:
        settings.append({name: hashlib.sha256(model).hexdigest() for name, model in given.files().items()})
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    return Path(config.data.directory) / "prepared" / key


def _open(folder: Path, config: Config) -> Prepared:
    src, tgt = open_columns(folder / TOKENS)
    images = folder / IMAGES
    return Prepared(
        vocabularies=Vocabularies.load(folder, config.subword),
        src=src,
        tgt=tgt,
        validation=_read_jsonl(folder / "validation.jsonl"),
        test=_read_jsonl(folder / "test.jsonl"),
        report=json.loads((folder / REPORT).read_text(encoding="utf-8")),
        folder=folder,
        images=tuple(json.loads(images.read_text(encoding="utf-8"))) if images.is_file() else (),
    )


def _read_jsonl(path: Path) -> list[Pair]:
    return [Pair(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line]
