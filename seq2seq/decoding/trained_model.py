"""What a program does with trained models: translate, caption, score, encode, align."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from seq2seq.config import DecodingConfig
from seq2seq.config.decoding import check_nbest
from seq2seq.decoding.alignment import require_alignable, with_alignments, word_alignments
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.outputs import Link, Translation
from seq2seq.decoding.pair_scores import PairScore, score_pairs
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.vectors import sentence_vectors
from seq2seq.errors import Seq2SeqError
from seq2seq.recipe import with_decoding

Picture = str | os.PathLike[str]
"""The path of a picture, or its name in the corpus that a captioner was given."""


class TrainedModel(Predictor):
    """One trained model or an ensemble, as :func:`seq2seq.load` returns it.

    One source in, one answer out; a list in, a list of answers in its order out. The examples have ``model``, which
    reverses numbers.
    """

    @overload
    def translate(
        self, sentences: str, options: DecodingConfig | None = None, constraints: Constraints | None = None,
        *, nbest: None = None, alignments: bool = False, **settings: Any,
    ) -> Translation: ...  # fmt: skip
    @overload
    def translate(
        self, sentences: Sequence[str], options: DecodingConfig | None = None, constraints: Constraints | None = None,
        *, nbest: None = None, alignments: bool = False, **settings: Any,
    ) -> list[Translation]: ...  # fmt: skip
    @overload
    def translate(
        self, sentences: str, options: DecodingConfig | None = None, constraints: Constraints | None = None,
        *, nbest: int, alignments: bool = False, **settings: Any,
    ) -> list[Translation]: ...  # fmt: skip
    @overload
    def translate(
        self, sentences: Sequence[str], options: DecodingConfig | None = None, constraints: Constraints | None = None,
        *, nbest: int, alignments: bool = False, **settings: Any,
    ) -> list[list[Translation]]: ...  # fmt: skip
    def translate(
        self,
        sentences: str | Sequence[str],
        options: DecodingConfig | None = None,
        constraints: Constraints | None = None,
        *,
        nbest: int | None = None,
        alignments: bool = False,
        **settings: Any,
    ) -> Any:
        """The best translation of each sentence, or its ``nbest`` best ones, best first.

        >>> model.translate("123").text == model.translate(["123", "45"])[0].text
        True
        >>> [len(found) for found in model.translate(["123", "45"], beam=4, nbest=3)]
        [3, 3]

        Args:
            sentences: one, or any number.
            options: how to decode; None: as the run's ``[decoding]`` says.
            constraints: what the outputs must and must not contain.
            nbest: how many translations of each sentence; None: one, and no list.
            alignments: also find which word each word comes from, which needs attention.
            settings: of ``[decoding]``, such as ``beam=10``, in place of those of ``options``.

        Returns:
            A translation, a list of them for a list; with ``nbest`` a list in the place of each translation.

        Raises:
            ConfigError: no such setting, or settings that this model cannot decode with.
            Seq2SeqError: the model reads pictures, or a sentence is no text.
        """
        self._require(images=False)
        if alignments:
            require_alignable(self)
        many = _texts(sentences)
        lists = self._lists(many, options, constraints, nbest, settings)
        if alignments:
            lists = with_alignments(self, many, lists)
        answers = [outputs[0] for outputs in lists] if nbest is None else lists
        return answers[0] if isinstance(sentences, str) else answers

    @overload
    def caption(
        self, pictures: Picture, options: DecodingConfig | None = None, *, nbest: None = None, **settings: Any
    ) -> Translation: ...
    @overload
    def caption(
        self, pictures: Sequence[Picture], options: DecodingConfig | None = None, *, nbest: None = None, **settings: Any
    ) -> list[Translation]: ...
    @overload
    def caption(
        self, pictures: Picture, options: DecodingConfig | None = None, *, nbest: int, **settings: Any
    ) -> list[Translation]: ...
    @overload
    def caption(
        self, pictures: Sequence[Picture], options: DecodingConfig | None = None, *, nbest: int, **settings: Any
    ) -> list[list[Translation]]: ...
    def caption(
        self,
        pictures: Picture | Sequence[Picture],
        options: DecodingConfig | None = None,
        *,
        nbest: int | None = None,
        **settings: Any,
    ) -> Any:
        """The best caption of each picture, or its ``nbest`` best ones; as :meth:`translate`.

        Raises:
            CorpusError: a file is no whole JPEG, PNG or WebP picture.
            ConfigError: no such setting, or settings that this model cannot decode with.
            Seq2SeqError: the model reads text.
        """
        self._require(images=True)
        many = [pictures] if isinstance(pictures, str | os.PathLike) else pictures
        lists = self._lists([os.fspath(picture) for picture in many], options, None, nbest, settings)
        answers = [outputs[0] for outputs in lists] if nbest is None else lists
        return answers[0] if isinstance(pictures, str | os.PathLike) else answers

    @overload
    def score(self, sources: str, targets: str) -> PairScore: ...  # type: ignore[overload-overlap]
    @overload
    def score(self, sources: Sequence[str], targets: Sequence[str]) -> list[PairScore]: ...
    def score(self, sources: str | Sequence[str], targets: str | Sequence[str]) -> PairScore | list[PairScore]:
        """How probable each target is as an output for its source; sources are sentences, or pictures by name.

        >>> answer = model.translate("123", beam=1)
        >>> abs(model.score("123", answer.text).log_prob - answer.log_prob) < 1e-3
        True

        Raises:
            Seq2SeqError: not as many targets as sources.
        """
        if isinstance(sources, str) and isinstance(targets, str):
            return score_pairs(self, [sources], [targets])[0]
        return score_pairs(self, *_aligned(sources, targets))

    def encode(self, sentences: str | Sequence[str], *, layer: int = 0) -> npt.NDArray[np.float32]:
        """The vector of each sentence, the encoder's final hidden state: (N, width), or (width,) for one sentence.

        >>> model.encode(["123", "45", "6"]).shape == (3, *model.encode("123").shape)
        True

        Args:
            sentences: one, or N of them.
            layer: counted from 1 at the bottom; 0: all concatenated, bottom first.

        Raises:
            ConfigError: there is no such layer.
            Seq2SeqError: the model reads pictures, or a sentence is no text.
        """
        self._require(images=False)
        vectors = sentence_vectors(self, _texts(sentences), layer=layer)
        return vectors[0] if isinstance(sentences, str) else vectors

    @overload
    def align(self, sources: str, targets: str) -> tuple[Link, ...]: ...  # type: ignore[overload-overlap]
    @overload
    def align(self, sources: Sequence[str], targets: Sequence[str]) -> list[tuple[Link, ...]]: ...
    def align(
        self, sources: str | Sequence[str], targets: str | Sequence[str]
    ) -> tuple[Link, ...] | list[tuple[Link, ...]]:
        """For each word of given translations the word of its sentence that it attends to most.

        >>> [str(link) for link in attentive.align("123", "321")]
        ['0-0']

        Args:
            sources: sentences.
            targets: their translations.

        Raises:
            ConfigError: the model has no attention to words.
            Seq2SeqError: not as many targets as sources.
        """
        tgt = self.vocabularies.tgt
        if isinstance(sources, str) and isinstance(targets, str):
            return word_alignments(self, [sources], [tgt.encode(targets)])[0]
        sources, targets = _aligned(sources, targets)
        return word_alignments(self, sources, [tgt.encode(target) for target in targets])

    def _lists(
        self,
        sources: Sequence[str],
        options: DecodingConfig | None,
        constraints: Constraints | None,
        nbest: int | None,
        settings: dict[str, Any],
    ) -> list[list[Translation]]:
        """The ``nbest`` best outputs for each source; None: the best."""
        options = options or self.config.decoding
        if settings:
            options = with_decoding(replace(self.config, decoding=options), settings)
        if nbest is None:
            return [[output] for output in self.best(sources, options, constraints)]
        if nbest < 1:
            raise Seq2SeqError(f"nbest = {nbest}: expected at least 1")
        check_nbest(options, nbest)
        return self.nbest(sources, nbest, options, constraints)

    def _require(self, *, images: bool) -> None:
        if self.config.data.reads_images != images:
            kinds, method = ("text", "translate") if images else ("pictures", "caption")
            raise Seq2SeqError(f"this model reads {kinds}: use its method {method}")


def _texts(sentences: str | Iterable[str]) -> list[str]:
    """One sentence or several, as a list."""
    texts = [sentences] if isinstance(sentences, str) or not isinstance(sentences, Iterable) else list(sentences)
    if odd := [type(text).__name__ for text in texts if not isinstance(text, str)]:
        raise Seq2SeqError(f"expected a text or a list of texts, found {odd[0]}")
    return texts


def _aligned(sources: str | Sequence[str], targets: str | Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    if isinstance(sources, str) != isinstance(targets, str) or len(sources) != len(targets):
        raise Seq2SeqError("expected as many targets as sources, each a text")
    return sources, targets
