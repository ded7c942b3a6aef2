"""The corpus made ready once: cleaned, split, turned into token ids and kept on disk.

The ids lie in an Arrow file that is memory-mapped, so a second training starts at once and 40 million
pairs need no memory.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from seq2seq.config import Config, DataConfig
from seq2seq.corpus.captions import picture_reader
from seq2seq.corpus.cleaning import clean, hold_out
from seq2seq.corpus.images import read_image
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import fingerprint, read_pairs
from seq2seq.corpus.subword import Subword, Vocabularies, normalise
from seq2seq.errors import CorpusError

# Part of the cache's key: raise it when the same settings come to mean other ids.
_LAYOUT = 2
_TOKENS, _PICTURES = "tokens.arrow", "pictures.json"


class TokenColumn:
    """One side's token ids: ``column[i]`` is the list of sentence *i*, read from the memory map."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._values, self._offsets = [], []
        for chunk in chunks:
            self._values.append(chunk.values.to_numpy())
            self._offsets.append(chunk.offsets.to_numpy())
        self._ends = np.cumsum([len(offsets) - 1 for offsets in self._offsets])

    def __getitem__(self, index: int) -> list[int]:
        chunk = int(np.searchsorted(self._ends, index, side="right"))
        offsets = self._offsets[chunk]
        row = index - (int(self._ends[chunk - 1]) if chunk else 0)
        ids: list[int] = self._values[chunk][offsets[row] : offsets[row + 1]].tolist()
        return ids

    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens in each sentence, (N,)."""
        return np.concatenate([np.diff(offsets) for offsets in self._offsets]).astype(np.int32)


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
        CorpusError: data that cannot be read or leave nothing to learn from.
        ConfigError: a vocabulary that does not fit the corpus.
    """
    folder = _cache_folder(config)
    if not (folder / "report.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="making-", dir=folder.parent))
        try:
            _make(config, scratch)
            _publish(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
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


def _publish(scratch: Path, folder: Path) -> None:
    try:
        os.replace(scratch, folder)
    except OSError:
        # Another process was faster; what it made is the same.
        if not (folder / "report.json").is_file():
            raise


def _make(config: Config, folder: Path) -> None:
    validation, test = _held_out(config.data)
    pictures = _whole_pictures(config.data, (*validation, *test)) if config.data.of_pictures else {}
    if pictures:
        validation, test = ([pair for pair in pairs if pair.src in pictures] for pairs in (validation, test))
        (folder / _PICTURES).write_text(json.dumps(list(pictures), ensure_ascii=False), encoding="utf-8")
    for name, pairs in (("validation", validation), ("test", test)):
        lines = (json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    held_out = {pair.src if pictures else normalise(pair.src) for pair in (*validation, *test)}

    def training(dropped: Counter[str]) -> Iterator[Pair]:
        for pair in clean(read_pairs(config.data, "train"), config.data, dropped):
            if pair.src in held_out:
                dropped["source held out"] += 1
            elif pictures and pair.src not in pictures:
                dropped["damaged picture"] += 1
            else:
                yield pair

    vocabularies = _learn_vocabularies(config, training)
    vocabularies.save(folder)
    dropped: Counter[str] = Counter()
    digest = hashlib.sha256(vocabularies.src.model + vocabularies.tgt.model)
    for pair in (*validation, *test):
        digest.update(f"{pair.src}\t{pair.tgt}\n".encode("utf-8", "replace"))

    def encode_source(source: str) -> list[int]:
        return [pictures[source]] if pictures else _encode_source(source, vocabularies, config.data)

    _write_ids(folder, training(dropped), encode_source, vocabularies.tgt, config.data, dropped, digest)
    columns = _open_columns(folder)
    report = {
        "kept": len(columns[0].lengths()),
        "dropped": dict(dropped.most_common()),
        "validation": len(validation),
        "test": len(test),
        "test sources in training": _leaks(columns[0], (encode_source(pair.src) for pair in test)),
        "vocabulary": {"src": len(vocabularies.src), "tgt": len(vocabularies.tgt)},
        "tokens": {"src": int(columns[0].lengths().sum()), "tgt": int(columns[1].lengths().sum())},
        "fingerprint": digest.hexdigest(),
    }
    (folder / "report.json").write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")


def _held_out(data: DataConfig) -> tuple[list[Pair], list[Pair]]:
    """Validation and test part: given ones as they are, every line; others cut from the training part."""
    sizes = (0 if data.validation else data.validation_size, 0 if data.test else data.test_size)
    cut = hold_out(lambda: _watched(clean(read_pairs(data, "train"), data, Counter()), "reading"), sizes)
    validation = list(read_pairs(data, "validation")) if data.validation else cut[0]
    test = list(read_pairs(data, "test")) if data.test else cut[1]
    if not any(pair.src.strip() for pair in validation):
        raise CorpusError(f"no sentences in {data.validation}: validation needs at least one")
    return validation, test


def _whole_pictures(data: DataConfig, held_out: Iterable[Pair]) -> dict[str, int]:
    """The corpus's pictures, numbered; those that cannot be read are named on stderr and left out."""
    read, training = picture_reader(data), read_pairs(data, "train")
    names = dict.fromkeys(pair.src for pairs in (held_out, training) for pair in pairs)
    whole: dict[str, int] = {}
    for name in tqdm(names, desc="reading pictures", unit=" pictures", delay=2, disable=None):
        try:
            read_image(read(name), name=name)
        except CorpusError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)
        else:
            whole[name] = len(whole)
    if not whole:
        raise CorpusError(f"none of the {len(names)} pictures of {data.path} can be read: look at data.path")
    return whole


def _learn_vocabularies(config: Config, training: Callable[[Counter[str]], Iterator[Pair]]) -> Vocabularies:
    subword = config.subword

    def pairs() -> Iterator[Pair]:
        return _watched(training(Counter()), "learning subwords")

    if config.data.of_pictures:
        captions = Subword.train((pair.tgt for pair in pairs()), subword, vocab_size=subword.vocab_size)
        return Vocabularies(captions, captions)
    if subword.joint:
        both = (text for pair in pairs() for text in (pair.src, pair.tgt))
        joint = Subword.train(both, subword, vocab_size=subword.vocab_size)
        return Vocabularies(joint, joint)
    tgt_size = subword.tgt_vocab_size or subword.vocab_size
    return Vocabularies(
        Subword.train((pair.src for pair in pairs()), subword, vocab_size=subword.vocab_size),
        Subword.train((pair.tgt for pair in pairs()), subword, vocab_size=tgt_size),
    )


def _watched(pairs: Iterable[Pair], what: str) -> Iterator[Pair]:
    """The same pairs under a progress bar, if there are enough of them to wait for."""
    return iter(tqdm(pairs, desc=what, unit=" pairs", unit_scale=True, delay=2, disable=None))


def _write_ids(
    folder: Path,
    pairs: Iterable[Pair],
    encode_source: Callable[[str], list[int]],
    tgt_vocabulary: Subword,
    data: DataConfig,
    dropped: Counter[str],
    digest: "hashlib._Hash",
) -> None:
    """Streams token ids to ``tokens.arrow`` and the texts that were kept into ``digest``."""
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    features = Features({"src": List(Value("int32")), "tgt": List(Value("int32"))})
    kept = 0
    with ArrowWriter(path=str(folder / _TOKENS), features=features) as writer:
        for pair in _watched(pairs, "tokenising"):
            src, tgt = encode_source(pair.src), tgt_vocabulary.encode(pair.tgt)
            if max(len(src), len(tgt)) > data.max_tokens:
                dropped["too long"] += 1
                continue
            writer.write({"src": src, "tgt": tgt})
            digest.update(f"{pair.src}\t{pair.tgt}\n".encode())
            kept += 1
        if not kept:
            raise CorpusError(f"nothing to learn from: every pair was dropped {dict(dropped)}; look at [data]")
        writer.finalize()


def _encode_source(text: str, vocabularies: Vocabularies, data: DataConfig) -> list[int]:
    """What a model reads of a source."""
    ids = vocabularies.src.encode(text)
    return ids[: data.max_tokens] if data.long_sources == "cut" else ids


def _leaks(sources: TokenColumn, held_out: Iterable[list[int]]) -> int:
    """How many training sources are also test sources: counted in the file itself, and to be 0."""
    wanted = {tuple(ids) for ids in held_out}
    return sum(tuple(sources[row]) in wanted for row in range(len(sources.lengths())))


def _open_columns(folder: Path) -> tuple[TokenColumn, TokenColumn]:
    from datasets import Dataset  # heavy, and only training needs it

    table = Dataset.from_file(str(folder / _TOKENS)).data
    return TokenColumn(table.column("src").chunks), TokenColumn(table.column("tgt").chunks)


def _open(folder: Path, config: Config) -> Prepared:
    src, tgt = _open_columns(folder)
    return Prepared(
        vocabularies=Vocabularies.load(folder, config.subword),
        src=src,
        tgt=tgt,
        validation=_read_jsonl(folder / "validation.jsonl"),
        test=_read_jsonl(folder / "test.jsonl"),
        report=json.loads((folder / "report.json").read_text(encoding="utf-8")),
        folder=folder,
        pictures=_read_pictures(folder),
    )


def _read_pictures(folder: Path) -> tuple[str, ...]:
    path = folder / _PICTURES
    return tuple(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else ()


def _read_jsonl(path: Path) -> list[Pair]:
    return [Pair(**json.loads(line)) for line in path.read_text(encoding="utf-8").split("\n") if line]
