"""Text to token ids and back, by sentencepiece models learned on the corpus.

``decode(encode(text)) == normalise(text)`` for every string, as long as characters outside the
vocabulary are spelled as bytes (``byte_fallback``).
"""

import contextlib
import functools
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from seq2seq.config import SubwordConfig
from seq2seq.corpus.text_files import LONGEST
from seq2seq.corpus.words import JOINER, ForbiddenBigrams, forbidden_bigrams, join_words, split_words
from seq2seq.errors import ConfigError, RunError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Ids of padding, unknown word, begin mark and end mark in every vocabulary."""

# sentencepiece writes a space as U+2581; a byte order mark is not text, wherever it stands.
_RESERVED = str.maketrans({"\u2581": "_", "\ufeff": None})
# The trainer stores its number of threads in the model: fixed, so that the model's bytes are reproducible.
_THREADS = 2


def seed_sampling(seed: int) -> None:
    """Seeds :meth:`Subword.resample`; sentencepiece has one generator for the whole process."""
    # The highest 32-bit seed means "from a random device" there.
    sentencepiece.set_random_generator_seed(seed % (2**32 - 1))


def normalise(text: str) -> str:
    """Canonical composition (NFC), one plain space for each run of white space, none at the ends.

    NFC rather than NFKC, which would turn the Spanish ``1º`` into ``1o`` and ``…`` into three dots.
    Lone surrogates, which UTF-8 cannot encode, become ``?``.
    """
    encodable = text.encode("utf-8", "replace").decode("utf-8")
    return " ".join(unicodedata.normalize("NFC", encodable.translate(_RESERVED)).split())


class Subword:
    """The vocabulary of one side, or of both.

    Attributes:
        model: the serialised sentencepiece model.
    """

    def __init__(self, model: bytes, *, words: bool = False) -> None:
        self.model = model
        self._words = words
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(model)
        self._word_ids = {self._processor.id_to_piece(i): i for i in range(len(self))} if words else {}

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    @classmethod
    def train(
        cls,
        sentences: Iterable[str],
        config: SubwordConfig,
        *,
        vocab_size: int,
        setting: str = "subword.vocab_size",
        flexible: bool = False,
    ) -> "Subword":
        """Learns a vocabulary of ``vocab_size`` pieces (``char`` and ``word`` may have fewer).

        Args:
            sentences: at most ``config.train_sentences``, or sentencepiece picks some at random; any number for
                ``word``, which counts all.
            config: the kind of pieces.
            vocab_size: how many.
            setting: what sets that number, for messages.
            flexible: there may be fewer, if the corpus does not teach as many.

        Raises:
            ConfigError: the corpus is too small for the vocabulary, or the vocabulary for the corpus.
        """
        words = config.type == "word"
        lines: Iterator[str] = map(normalise, sentences)
        reading: dict[str, Any] = {"input_sentence_size": config.train_sentences, "shuffle_input_sentence": True}
        if words:
            counts = Counter(word for line in lines for word in split_words(line))
            lines = (f"{word}\t{count}" for word, count in counts.items())
            reading = {"input_format": "tsv"}
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=lines,
                model_writer=model,
                model_type=config.type,
                vocab_size=vocab_size,
                hard_vocab_limit=not flexible and config.type not in ("char", "word"),
                byte_fallback=config.byte_fallback and not words,
                character_coverage=0.9999,
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=LONGEST,
                **reading,
                num_threads=_THREADS,
                pad_id=PAD,
                unk_id=UNK,
                bos_id=BOS,
                eos_id=EOS,
                unk_surface="<unk>",
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ConfigError(_explain(str(error), vocab_size, setting)) from None
        return cls(model.getvalue(), words=words)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without begin and end marks."""
        text = normalise(text)
        if self._words:
            return self._look_up(split_words(text))
        ids: list[int] = self._processor.encode(text)
        return ids

    def encode_all(self, texts: Sequence[str], *, threads: int) -> list[list[int]]:
        """Ids of texts that are normalised already; they do not depend on the number of threads."""
        if self._words:
            return [self._look_up(split_words(text)) for text in texts]
        ids: list[list[int]] = self._processor.encode(list(texts), num_threads=threads)
        return ids

    def _look_up(self, words: Iterable[str]) -> list[int]:
        # Not by sentencepiece, which makes one <unk> of several unknown words in a row.
        return [self._word_ids.get(f"\u2581{word}", UNK) for word in words]

    def resample(self, ids: Sequence[int], alpha: float) -> list[int]:
        """Draws another segmentation of the same text (subword regularisation, Kudo 2018, §3).

        Args:
            ids: without marks. They are returned unchanged if they contain an unknown word or are cut off inside a
                character.
            alpha: for ``unigram``, how strongly likely segmentations are preferred: 0 draws uniformly; for ``bpe``,
                the probability of leaving a merge out (Provilkov et al. 2020).
        """
        text = self._processor.decode(list(ids))
        if UNK in ids or "\ufffd" in text:
            return list(ids)
        sampled: list[int] = self._processor.encode(text, enable_sampling=True, alpha=alpha, nbest_size=-1)
        return sampled

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, without marks and padding."""
        if self._words:
            return join_words(self.pieces([i for i in ids if i not in (PAD, BOS, EOS)]))
        text: str = self._processor.decode(list(ids))
        return text

    def spellings(self, phrase: str, most: int = 32) -> list[list[int]]:
        """At most about ``most`` segmentations of a phrase, the usual one first.

        Each comes with and without the mark of a word's beginning: after a punctuation mark without a space ("¿" in
        "¿casa") a word lacks it.
        """
        usual, text = self.encode(phrase), normalise(phrase)
        if self._words:
            first, *others = split_words(text)
            joined = self._look_up([JOINER + first, *others])
            return [ids for ids in (usual, joined) if UNK not in ids]
        marked = [usual]
        with contextlib.suppress(RuntimeError):  # only unigram models know several
            marked += self._processor.nbest_encode(text, nbest_size=most)
        return [list(ids) for ids in dict.fromkeys(map(tuple, marked + [self._unmarked(ids) for ids in marked])) if ids]

    def _unmarked(self, ids: list[int]) -> list[int]:
        """The ids without the mark of a word's beginning; empty if the vocabulary lacks that first piece."""
        piece = self._processor.id_to_piece(ids[0]).removeprefix("\u2581")
        if not piece:
            return ids[1:]
        unmarked = self._processor.piece_to_id(piece)
        return [] if unmarked == UNK else [unmarked, *ids[1:]]

    @functools.cached_property
    def forbidden_bigrams(self) -> ForbiddenBigrams | None:
        """Bigrams that no output may contain; None unless this is a vocabulary of words."""
        return forbidden_bigrams(self.pieces(range(len(self)))) if self._words else None

    def word_start(self) -> list[bool]:
        """True for ids before which a word is complete: marks, punctuation and pieces that begin a word, (V,)."""
        if self._words:
            return [True] * len(self)
        pieces = (self._processor.id_to_piece(i) for i in range(len(self)))
        return [
            not self._processor.is_byte(i) and (piece.startswith("\u2581") or not piece[:1].isalnum())
            for i, piece in enumerate(pieces)
        ]

    def word_end(self) -> list[bool]:
        """True for ids after which a new word always begins: marks and pieces that end in punctuation, (V,)."""
        if self._words:
            return [True] * len(self)
        pieces = (self._processor.id_to_piece(i) for i in range(len(self)))
        return [not self._processor.is_byte(i) and not piece[-1:].isalnum() for i, piece in enumerate(pieces)]

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of ids; those of words without sentencepiece's mark."""
        pieces = [self._processor.id_to_piece(i) for i in ids]
        return [piece.removeprefix("\u2581") for piece in pieces] if self._words else pieces


def _explain(message: str, vocab_size: int, setting: str) -> str:
    """Says what to change after an error of sentencepiece's trainer."""
    if limit := re.search(r"value <= (\d+)", message):
        return (
            f"{setting} = {vocab_size} is too big for this corpus: set it to at most {limit[1]}, or "
            'subword.vocab_size = "auto", which finds what fits each side'
        )
    if needed := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return (
            f"{setting} = {vocab_size} is too small for this corpus's characters: set it to more than {needed[1]}, or "
            'subword.vocab_size = "auto", which finds what fits each side'
        )
    if "!sentences_.empty()" in message:
        return "no text to learn subwords from: the training part is empty after cleaning"
    return f"sentencepiece could not learn a vocabulary of {vocab_size} pieces: {message}"


@dataclass(frozen=True, slots=True)
class Vocabularies:
    """The subword models of both sides; a joint one is the same object twice."""

    src: Subword
    tgt: Subword

    @property
    def joint(self) -> bool:
        """True if both sides share one vocabulary."""
        return self.src is self.tgt

    def files(self) -> dict[str, bytes]:
        """Contents of ``subword.joint.model``, or of ``subword.src.model`` and ``subword.tgt.model``."""
        sides = {"joint": self.src} if self.joint else {"src": self.src, "tgt": self.tgt}
        return {f"subword.{side}.model": subword.model for side, subword in sides.items()}

    def save(self, folder: Path) -> None:
        """Writes :meth:`files` to a folder."""
        for name, content in self.files().items():
            (folder / name).write_bytes(content)

    @classmethod
    def load(cls, folder: Path, config: SubwordConfig) -> "Vocabularies":
        """Reads the files that :meth:`save` wrote.

        Raises:
            RunError: a model is missing or damaged.
        """

        def read(side: str, config: SubwordConfig) -> Subword:
            path = folder / f"subword.{side}.model"
            try:
                return Subword(path.read_bytes(), words=config.type == "word")
            except FileNotFoundError:
                raise RunError(f"{path} is missing: this is not a complete run folder") from None
            except RuntimeError as error:
                raise RunError(f"{path} is not a sentencepiece model ({error}): it is damaged") from None

        if config.joint:
            joint = read("joint", config)
            return cls(joint, joint)
        return cls(read("src", config), read("tgt", config.of_target()))
