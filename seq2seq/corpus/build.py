"""How a corpus is made ready: gathered once, split, its vocabularies learned, its pairs turned into token ids.

Pairs stream from disk to disk, so that memory hardly grows with the corpus; learning subwords takes the most.
"""

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from seq2seq.config import Config, DataConfig
from seq2seq.corpus.captions import picture_reader
from seq2seq.corpus.cleaning import clean, hold_out
from seq2seq.corpus.dedup import Gathered, gather
from seq2seq.corpus.images import read_image
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import read_pairs
from seq2seq.corpus.subword import Subword, Vocabularies, normalise
from seq2seq.corpus.token_file import Ids, TokenFile, open_columns
from seq2seq.errors import CorpusError

TOKENS, PICTURES, REPORT = "tokens.arrow", "pictures.json", "report.json"
"""Names of files in the folder of a prepared corpus."""

# Pairs tokenised at a time: enough to keep every core busy, and some ten MB as lists.
_BLOCK = 10_000


def make(config: Config, folder: Path) -> None:
    """Makes a corpus ready in an empty folder.

    Raises:
        CorpusError: data that cannot be read or leave nothing to learn from.
        ConfigError: a vocabulary that does not fit the corpus.
    """
    data = config.data
    dropped: Counter[str] = Counter()
    text = folder / "text"
    cleaned = clean(_watched(read_pairs(data, "train"), "reading"), data, dropped)
    gathered = gather(cleaned, text, drop_duplicates=data.drop_duplicates, dropped=dropped)
    validation, test = _held_out(data, gathered)
    pictures = _whole_pictures(data, (*validation, *test), gathered) if data.reads_images else {}
    if pictures:
        validation, test = ([pair for pair in pairs if pair.src in pictures] for pairs in (validation, test))
        (folder / PICTURES).write_text(json.dumps(list(pictures), ensure_ascii=False), encoding="utf-8")
    for name, pairs in (("validation", validation), ("test", test)):
        lines = (json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")

    held_out = {pair.src if pictures else normalise(pair.src) for pair in (*validation, *test)}
    training = gathered.without("source held out", lambda pair: pair.src in held_out, dropped)
    if pictures:
        training = training.without("damaged picture", lambda pair: pair.src not in pictures, dropped)
    vocabularies = _learn_vocabularies(config, training)
    vocabularies.save(folder)

    encoder = _Encoder(vocabularies, data, pictures)
    digest = hashlib.sha256(vocabularies.src.model + vocabularies.tgt.model)
    for pair in (*validation, *test):
        digest.update(f"{pair.src}\t{pair.tgt}\n".encode("utf-8", "replace"))
    _write_ids(folder / TOKENS, training, encoder, dropped, digest)
    text.unlink()
    src, tgt = open_columns(folder / TOKENS)
    test_sources = encoder.sources([pair.src if pictures else normalise(pair.src) for pair in test])
    report = {
        "kept": len(src.lengths()),
        "dropped": dict(dropped.most_common()),
        "validation": len(validation),
        "test": len(test),
        # Counted in the file itself, and to be 0.
        "test sources in training": src.count(test_sources),
        "vocabulary": {"src": len(vocabularies.src), "tgt": len(vocabularies.tgt)},
        "tokens": {"src": int(src.lengths().sum()), "tgt": int(tgt.lengths().sum())},
        "fingerprint": digest.hexdigest(),
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")


def _watched(pairs: Iterable[Pair], what: str, total: int | None = None) -> Iterator[Pair]:
    """The same pairs under a progress bar, if there are enough of them to wait for."""
    return iter(tqdm(pairs, desc=what, total=total, unit=" pairs", unit_scale=True, delay=2, disable=None))


def _held_out(data: DataConfig, gathered: Gathered) -> tuple[list[Pair], list[Pair]]:
    """Validation and test part: given ones as they are, every line; others cut from the training part."""
    sizes = (0 if data.validation else data.validation_size, 0 if data.test else data.test_size)
    cut = hold_out(_watched(gathered, "splitting", len(gathered)), sizes)
    validation = list(read_pairs(data, "validation")) if data.validation else cut[0]
    test = list(read_pairs(data, "test")) if data.test else cut[1]
    if not any(pair.src.strip() for pair in validation):
        raise CorpusError(f"no sentences in {data.validation}: validation needs at least one")
    return validation, test


def _whole_pictures(data: DataConfig, held_out: Iterable[Pair], training: Iterable[Pair]) -> dict[str, int]:
    """The corpus's pictures, numbered; those that cannot be read are named on stderr and left out."""
    read = picture_reader(data)
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


def _learn_vocabularies(config: Config, training: Gathered) -> Vocabularies:
    subword = config.subword
    one = config.data.reads_images or not subword.joint  # side that teaches a vocabulary
    if subword.type != "word":
        training = training.sample(subword.train_sentences if one else max(1, subword.train_sentences // 2))

    def pairs() -> Iterator[Pair]:
        return _watched(training, "learning subwords", len(training))

    if config.data.reads_images:
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


@dataclass(frozen=True, slots=True)
class _Encoder:
    """What a model reads and writes of normalised texts; of a picture, its number."""

    vocabularies: Vocabularies
    data: DataConfig
    pictures: dict[str, int]

    def sources(self, texts: Sequence[str]) -> list[Ids]:
        if self.pictures:
            return [[self.pictures[name]] for name in texts]
        found = self.vocabularies.src.encode_all(texts, threads=os.cpu_count() or 1)
        return [ids[: self.data.max_tokens] for ids in found] if self.data.long_sources == "cut" else found

    def targets(self, texts: Sequence[str]) -> list[Ids]:
        return self.vocabularies.tgt.encode_all(texts, threads=os.cpu_count() or 1)


def _write_ids(
    path: Path, training: Gathered, encoder: _Encoder, dropped: Counter[str], digest: "hashlib._Hash"
) -> None:
    """Streams token ids to a file and the texts that were kept into ``digest``."""
    kept = 0
    pairs = _watched(training, "tokenising", len(training))
    with TokenFile(path) as file:
        while block := list(islice(pairs, _BLOCK)):
            sources = encoder.sources([pair.src for pair in block])
            targets = encoder.targets([pair.tgt for pair in block])
            fitting = [
                row
                for row, sides in enumerate(zip(sources, targets, strict=True))
                if max(map(len, sides)) <= encoder.data.max_tokens
            ]
            if len(fitting) < len(block):
                dropped["too long"] += len(block) - len(fitting)
            if not fitting:
                continue
            kept += len(fitting)
            file.write([sources[row] for row in fitting], [targets[row] for row in fitting])
            digest.update("".join(f"{block[row].src}\t{block[row].tgt}\n" for row in fitting).encode())
    if not kept:
        raise CorpusError(f"nothing to learn from: every pair was dropped {dict(dropped)}; look at [data]")
