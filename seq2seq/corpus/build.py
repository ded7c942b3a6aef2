"""Building a corpus: read and cleaned once, split, its vocabularies learned, its pairs encoded as token ids.

Pairs stream from disk to disk, so memory hardly grows with the corpus; learning subwords takes the most.
"""

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seq2seq.config import Config, DataConfig, SubwordConfig
from seq2seq.config.automatic import chosen, differences
from seq2seq.corpus.automatic import split_sizes
from seq2seq.corpus.captions import image_reader
from seq2seq.corpus.cleaning import clean, dropped_in_words, hold_out, normalised
from seq2seq.corpus.dedup import Gathered, gather
from seq2seq.corpus.images import read_image
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.sources import read_pairs, recognised
from seq2seq.corpus.subword import UNK, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.corpus.token_file import Ids, TokenFile, open_columns
from seq2seq.corpus.unknown import unknown_share, warn_of_unknown
from seq2seq.corpus.vocabularies import fitted, learn_vocabularies
from seq2seq.errors import CorpusError

TOKENS, IMAGES, REPORT = "tokens.arrow", "pictures.json", "report.json"
"""Names of files in the folder of a prepared corpus."""

# Pairs encoded at a time: enough to keep every core busy, and about 10 MB as lists.
_BLOCK = 10_000


def build_corpus(config: Config, folder: Path, *, given: Vocabularies | None = None) -> None:
    """Builds a corpus in an empty folder, with given vocabularies or with some that are learned on it.

    Raises:
        CorpusError: data that cannot be read, or of which nothing is left to learn from.
        ConfigError: a vocabulary that does not fit the corpus.
    """
    data = recognised(config.data)
    dropped: Counter[str] = Counter()

    # 1. Read, clean and deduplicate the training part, and cut out what is missing of validation and test.
    text = folder / "text"
    cleaned = clean(_with_bar(read_pairs(data, "train", dropped), "reading"), data, config.subword, dropped)
    training = gather(cleaned, text, drop_duplicates=data.drop_duplicates, dropped=dropped)
    if not len(training):
        raise _nothing_left(dropped)
    data = split_sizes(data, training)
    validation, test = _held_out_parts(data, config.subword, training)

    # 2. Leave out unreadable images, and every pair whose source is held out.
    images = _readable_images(data, (*validation, *test), training) if data.reads_images else {}
    if images:
        validation, test = ([pair for pair in part if pair.src in images] for part in (validation, test))
        training = training.without("damaged picture", lambda pair: pair.src not in images, dropped)
        (folder / IMAGES).write_text(json.dumps(images, ensure_ascii=False), encoding="utf-8")
    held_out = {pair.src for pair in (*validation, *test)}
    training = training.without("source held out", lambda pair: pair.src in held_out, dropped)
    _require_parts(data, training, validation, test, dropped)
    for name, part in (("validation", validation), ("test", test)):
        lines = (json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in part)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")

    # 3. Learn the vocabularies, unless they are given, and encode the training part.
    subword = config.subword if given else fitted(config, training)
    vocabularies = given or learn_vocabularies(config, subword, training)
    vocabularies.save(folder)
    encoder = _Encoder(vocabularies, data, {name: number for number, name in enumerate(images)})
    fingerprint = hashlib.sha256(vocabularies.src.model + vocabularies.tgt.model + "".join(images.values()).encode())
    for pair in (*validation, *test):
        fingerprint.update(f"{pair.src}\t{pair.tgt}\n".encode("utf-8", "replace"))
    test_sources = {pair.src for pair in test}
    leaked = _write_ids(folder / TOKENS, training, encoder, dropped, fingerprint, test_sources)
    text.unlink()
    unknown = _unknown_shares(folder / TOKENS, encoder, {"validation": validation, "test": test})
    warn_of_unknown(unknown)

    # 4. Report.
    report = {
        **_statistics(folder / TOKENS, vocabularies),
        "test sources in training": leaked,  # must be 0
        "unknown tokens": unknown,  # shares from 0 to 1
        "dropped": dict(dropped.most_common()),
        "validation": len(validation),
        "test": len(test),
        "chosen": differences(config, replace(config, data=data, subword=subword)),  # in place of "auto"
        "fingerprint": fingerprint.hexdigest(),
    }
    (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")


def _with_bar(pairs: Iterable[Pair], what: str, total: int | None = None) -> Iterator[Pair]:
    """The same pairs; a progress bar appears after two seconds."""
    return iter(tqdm(pairs, desc=what, total=total, unit=" pairs", unit_scale=True, delay=2, disable=None))


def _held_out_parts(data: DataConfig, subword: SubwordConfig, training: Gathered) -> tuple[list[Pair], list[Pair]]:
    """Validation and test part: every line of given ones, normalised; others cut out of the training part."""
    sizes = (0 if data.validation else chosen(data.validation_size), 0 if data.test else chosen(data.test_size))
    pairs = _with_bar(training, "splitting", len(training))
    cut = hold_out(pairs, sizes, every=data.references == "all")
    validation = (
        [normalised(pair, data, subword) for pair in read_pairs(data, "validation")] if data.validation else cut[0]
    )
    test = [normalised(pair, data, subword) for pair in read_pairs(data, "test")] if data.test else cut[1]
    return validation, test


def _nothing_left(dropped: Counter[str]) -> CorpusError:
    return CorpusError(f"nothing to learn from: every pair was dropped: {dropped_in_words(dropped)}; look at [data]")


def _require_parts(
    data: DataConfig, training: Gathered, validation: list[Pair], test: list[Pair], dropped: Counter[str]
) -> None:
    """Raises CorpusError if a part that is wanted is empty."""
    if not len(training) and dropped["source held out"]:
        raise CorpusError(
            f"nothing to learn from: all {dropped['source held out']:,} training pairs that cleaning kept have sources "
            "of the validation or test part: set data.train, data.validation or data.test to others"
        )
    if not len(training):
        raise _nothing_left(dropped)
    reason = "all its pictures are missing or damaged" if data.reads_images else "it has no sentence that is not blank"
    for part, pairs in (("validation", validation), ("test", test)):
        name, size = getattr(data, part), getattr(data, f"{part}_size")
        if (name or size) and not any(pair.src.strip() for pair in pairs):
            origin = f"data.{part} = {name!r}" if name else f"data.{part}_size = {size}"
            raise CorpusError(f"the {part} part ({origin}) is empty: {reason}; mend it or name another")


def _readable_images(data: DataConfig, held_out: Iterable[Pair], training: Iterable[Pair]) -> dict[str, str]:
    """Names of the corpus's images with the SHA-256 of each; unreadable ones are named on stderr and left out."""
    read = image_reader(data)
    names = dict.fromkeys(pair.src for part in (held_out, training) for pair in part)
    readable: dict[str, str] = {}
    for name in tqdm(names, desc="reading pictures", unit=" pictures", delay=2, disable=None):
        try:
            read_image(content := read(name), name=name)
        except CorpusError as error:
            tqdm.write(f"left out: {error}", file=sys.stderr)
        else:
            readable[name] = hashlib.sha256(content).hexdigest()
    if not readable:
        raise CorpusError(f"none of the {len(names)} pictures of {data.path} can be read: look at data.path")
    return readable


@dataclass(frozen=True, slots=True)
class _Encoder:
    """Encodes normalised texts as token ids, and the name of an image as its number."""

    vocabularies: Vocabularies
    data: DataConfig
    images: dict[str, int]

    def sources(self, texts: Sequence[str]) -> list[Ids]:
        if self.images:
            return [[self.images[name]] for name in texts]
        sources = self.vocabularies.src.encode_all(texts, threads=os.cpu_count() or 1)
        return [ids[: self.data.max_tokens] for ids in sources] if self.data.long_sources == "cut" else sources

    def targets(self, texts: Sequence[str]) -> list[Ids]:
        return self.vocabularies.tgt.encode_all(texts, threads=os.cpu_count() or 1)


def _write_ids(
    path: Path,
    training: Gathered,
    encoder: _Encoder,
    dropped: Counter[str],
    fingerprint: "hashlib._Hash",
    test_sources: Set[str],
) -> int:
    """Streams the token ids of pairs that are short enough to a file, and their texts into ``fingerprint``.

    Returns:
        How many of their sources are among ``test_sources``.
    """
    kept, leaked, placeholders = 0, 0, Placeholders.of(encoder.vocabularies.tgt.config.protect)
    pairs = _with_bar(training, "tokenising", len(training))
    with TokenFile(path) as file:
        while block := list(islice(pairs, _BLOCK)):
            pairs_read = list(map(placeholders.protect_pair, block))
            sources = encoder.sources([pair.src for pair in pairs_read])
            targets = encoder.targets([pair.tgt for pair in pairs_read])
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
            leaked += sum(block[row].src in test_sources for row in fitting)
            file.write([sources[row] for row in fitting], [targets[row] for row in fitting])
            fingerprint.update("".join(f"{block[row].src}\t{block[row].tgt}\n" for row in fitting).encode())
    if not kept:
        raise _nothing_left(dropped)
    return leaked


def _statistics(tokens: Path, vocabularies: Vocabularies) -> dict[str, Any]:
    """Numbers counted in the written token ids themselves."""
    src, tgt = open_columns(tokens)
    return {
        "kept": len(src.lengths()),
        "vocabulary": {"src": len(vocabularies.src), "tgt": len(vocabularies.tgt)},
        "tokens": {"src": int(src.lengths().sum()), "tgt": int(tgt.lengths().sum())},
        "target lengths": TargetLengths.of(src.lengths(), tgt.lengths()).limits,
    }


def _unknown_shares(tokens: Path, encoder: _Encoder, held_out: dict[str, list[Pair]]) -> dict[str, dict[str, float]]:
    """Shares of unknown tokens by part and side; pictures have none."""
    sides = ("tgt",) if encoder.images else ("src", "tgt")
    columns = dict(zip(("src", "tgt"), open_columns(tokens), strict=True))
    shares = {"training": {side: columns[side].count(UNK) / int(columns[side].lengths().sum()) for side in sides}}
    encode = {"src": encoder.sources, "tgt": encoder.targets}
    for part, pairs in held_out.items():
        shares[part] = {side: unknown_share(encode[side]([getattr(pair, side) for pair in pairs])) for side in sides}
    return shares
