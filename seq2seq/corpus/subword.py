"""Text to token ids and back, by sentencepiece models learned on the corpus.

``decode(encode(text)) == normalise(text, config)`` for every string, as long as characters outside the
vocabulary are spelled as bytes (``byte_fallback``).
"""

import contextlib
import functools
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece

from seq2seq.config import SubwordConfig
from seq2seq.corpus.letters import begins_word, ends_word
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.text_files import LONGEST
from seq2seq.corpus.words import JOINER, ForbiddenBigrams, WordSplitter, join_words
from seq2seq.errors import ConfigError, RunError

PAD, UNK, BOS, EOS = 0, 1, 2, 3
"""Ids of padding, unknown word, begin mark and end mark in every vocabulary."""
_MARKS: dict[str, Any] = {"pad_id": PAD, "unk_id": UNK, "bos_id": BOS, "eos_id": EOS}

# The trainer stores its number of threads in the model: fixed, so that the model's bytes are reproducible.
_THREADS = 2


def seed_sampling(seed: int) -> None:
    """Seeds :meth:`Subword.resample`; sentencepiece has one generator for the whole process."""
    # The highest 32-bit seed means "from a random device" there.
    sentencepiece.set_random_generator_seed(seed % (2**32 - 1))


class Subword:
    """The vocabulary of one side, or of both.

    Attributes:
        model: the serialised sentencepiece model.
        config: the settings that it was learned with.
    """

    def __init__(self, model: bytes, config: SubwordConfig) -> None:
        self.model = model
        self.config = config
        self._words = config.type == "word"
        self._splitter = WordSplitter(_symbols(config))
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(model)
        self._word_ids = {self._processor.id_to_piece(i): i for i in range(len(self))} if self._words else {}

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
        words, symbols = config.type == "word", _symbols(config)
        lines = (normalise(sentence, config) for sentence in sentences)
        reading: dict[str, Any] = {"input_sentence_size": config.train_sentences, "shuffle_input_sentence": True}
        if words:
            splitter = WordSplitter(symbols)
            counts = Counter(word for line in lines for word in splitter.split(line))
            # Symbols have a place, however rare they are.
            counts |= Counter({joint + symbol: counts.total() for symbol in symbols for joint in ("", JOINER)})
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
                user_defined_symbols=[] if words else list(symbols),
                normalization_rule_name="identity",
                remove_extra_whitespaces=False,
                max_sentence_length=LONGEST,
                **reading,
                num_threads=_THREADS,
                **_MARKS,
                unk_surface="<unk>",
                minloglevel=2,
            )
        except RuntimeError as error:
            raise ConfigError(_explain(str(error), vocab_size, setting)) from None
        return cls(model.getvalue(), config)

    def encode(self, text: str, *, joined: bool = False) -> list[int]:
        """Ids of a text, without begin and end marks.

        Args:
            text: any.
            joined: as it is written after other text without a space, if the vocabulary can.
        """
        text = normalise(text, self.config)
        ids: list[int] = self._look_up(self.split(text)) if self._words else self._processor.encode(text)
        return (joined and self._joined(text, ids)) or ids

    def _joined(self, text: str, ids: list[int]) -> list[int]:
        """The ids without the mark of a word's beginning; empty if the vocabulary lacks such a first piece."""
        if self._words:
            first, *others = self.split(text)
            joined = self._look_up([JOINER + first, *others])
            return [] if UNK in joined else joined
        piece = self._processor.id_to_piece(ids[0]).removeprefix("\u2581")
        if not piece:
            return ids[1:]
        unmarked = self._processor.piece_to_id(piece)
        return [] if unmarked == UNK else [unmarked, *ids[1:]]

    def encode_all(self, texts: Sequence[str], *, threads: int) -> list[list[int]]:
        """Ids of texts that are normalised already; they do not depend on the number of threads."""
        if self._words:
            return [self._look_up(self.split(text)) for text in texts]
        ids: list[list[int]] = self._processor.encode(list(texts), num_threads=threads)
        return ids

    def split(self, text: str) -> list[str]:
        """The words of a normalised text, each symbol as one."""
        return self._splitter.split(text)

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
        usual, text = self.encode(phrase), normalise(phrase, self.config)
        if self._words:
            return [ids for ids in (usual, self._joined(text, usual)) if ids and UNK not in ids]
        marked = [usual]
        with contextlib.suppress(RuntimeError):  # only unigram models know several
            marked += self._processor.nbest_encode(text, nbest_size=most)
        joined = [self._joined(text, ids) for ids in marked]
        return [list(ids) for ids in dict.fromkeys(map(tuple, marked + joined)) if ids]

    @functools.cached_property
    def forbidden_bigrams(self) -> ForbiddenBigrams | None:
        """Bigrams that no output may contain; None unless this is a vocabulary of words."""
        return self._splitter.forbidden_bigrams(self.pieces(range(len(self)))) if self._words else None

    def word_start(self) -> list[bool]:
        """True for ids before which a word is complete: marks, punctuation and pieces that begin a word, (V,)."""
        if self._words:
            return [True] * len(self)
        pieces = (self._processor.id_to_piece(i) for i in range(len(self)))
        return [
            not self._processor.is_byte(i) and (piece.startswith("\u2581") or begins_word(piece[:1]))
            for i, piece in enumerate(pieces)
        ]

    def word_end(self) -> list[bool]:
        """True for ids after which a letter begins a word: marks and pieces that end in punctuation, (V,).

        So do those that end in a letter of a script without spaces.
        """
        if self._words:
            return [True] * len(self)
        pieces = (self._processor.id_to_piece(i) for i in range(len(self)))
        return [not self._processor.is_byte(i) and ends_word(piece[-1:]) for i, piece in enumerate(pieces)]

    def word_numbers(self, ids: Sequence[int]) -> list[int]:
        """The number of the word, counted from 0 among those between spaces, that each id is a part of."""
        numbers, number, begun, spaced = [], 0, False, False
        for piece in self.pieces(ids):
            if piece == "\u2581":  # a bare space belongs to the word before it
                spaced = True
            else:
                begins = not piece.startswith(JOINER) if self._words else piece.startswith("\u2581")
                number += begun and (begins or spaced)
                begun, spaced = True, False
            numbers.append(number)
        return numbers

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The pieces of ids; those of words without sentencepiece's mark."""
        pieces = [self._processor.id_to_piece(i) for i in ids]
        return [piece.removeprefix("\u2581") for piece in pieces] if self._words else pieces


def _symbols(config: SubwordConfig) -> tuple[str, ...]:
    """What is never split."""
    own = (normalise(symbol, config) for symbol in config.symbols)
    return tuple(dict.fromkeys([*own, *Placeholders.of(config.protect).symbols]))


def _explain(message: str, vocab_size: int, setting: str) -> str:
    """Says what to change after an error of sentencepiece's trainer."""
    found, remedy = f"{setting} = {vocab_size}", 'subword.vocab_size = "auto", which finds what fits each side'
    if limit := re.search(r"value <= (\d+)", message):
        return f"{found} is too big for this corpus: set it to at most {limit[1]}, or {remedy}"
    if needed := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return f"{found} is too small for this corpus's characters: set it to more than {needed[1]}, or {remedy}"
    if "(vocab_size) >= (0)" in message:
        return f"{found} is too small for marks, symbols and bytes (subword.byte_fallback): set it higher, or {remedy}"
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
                return Subword(path.read_bytes(), config)
            except FileNotFoundError:
                raise RunError(f"{path} is missing: this is not a complete run folder") from None
            except RuntimeError as error:
                raise RunError(f"{path} is not a sentencepiece model ({error}): it is damaged") from None

        if config.joint:
            joint = read("joint", config)
            return cls(joint, joint)
        return cls(read("src", config), read("tgt", config.of_target()))
