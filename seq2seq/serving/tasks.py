"""What the worker does with sentences and pictures: translate, score, caption."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import alignments, token_log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.serving.messages import Alignment, Alternative, Output, PairToScore, Score, Token
from seq2seq.serving.models import Models, Served

_END = "</s>"
# Digits after the point; float32 sums have no more to say, and the last of them would depend on the batch.
_DIGITS = 4
# The predictor sorts what it gets by length before it divides it into batches, so it should get several at once.
_BATCHES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Translate:
    """Sentences to outputs."""

    model: str
    options: DecodingConfig
    nbest: int
    alignments: bool
    tokens: bool

    def room(self, models: Models) -> int:
        """As much as the predictor decodes in a few batches."""
        return _room(models[self.model], self.options, self.nbest)

    def size(self, models: Models, sentence: str) -> int:
        """Tokens of a sentence and its end mark."""
        return _length(models[self.model], sentence) + 1

    def answer(self, models: Models, sentences: Sequence[str]) -> list[Output]:
        """An output for each sentence."""
        served = models[self.model]
        translator = served.predictor
        assert isinstance(translator, Translator)
        if self.nbest > 1:
            lists = translator.nbest(sentences, self.nbest, self.options)
        else:
            lists = [[best] for best in translator.best(sentences, self.options)]
        best = [found[0] for found in lists]
        # Neither attention nor the probability of a token is there for an empty sentence.
        rows = [row for row, sentence in enumerate(sentences) if _length(served, sentence)]
        sources, ids = [sentences[row] for row in rows], [best[row].ids for row in rows]
        weights = dict(zip(rows, alignments(translator, sources, ids), strict=True)) if self.alignments and rows else {}
        scores = dict(zip(rows, token_log_probs(translator, sources, ids), strict=True)) if self.tokens and rows else {}
        return [
            Output(
                source=sentence,
                text=found[0].text,
                score=round(found[0].score, _DIGITS),
                log_prob=round(found[0].log_prob, _DIGITS),
                cut=translator.is_cut(sentence),
                alternatives=[_alternative(output) for output in found[1:]] if self.nbest > 1 else None,
                alignment=_alignment(translator, sentence, found[0], weights[row]) if row in weights else None,
                tokens=_tokens(found[0].tokens, scores[row]) if row in scores else None,
            )
            for row, (sentence, found) in enumerate(zip(sentences, lists, strict=True))
        ]


@dataclass(frozen=True, slots=True)
class ScorePairs:
    """Pairs of sentences to the log-probability of the second given the first; no source is empty."""

    model: str
    options: DecodingConfig

    def room(self, models: Models) -> int:
        """As much as translation takes without a beam."""
        return models[self.model].predictor.batch_tokens(self.options)

    def size(self, models: Models, pair: PairToScore) -> int:
        """Tokens of the longer side and its end mark."""
        target = models[self.model].predictor.vocabularies.tgt.encode(pair.target)
        return max(_length(models[self.model], pair.source), len(target)) + 1

    def answer(self, models: Models, pairs: Sequence[PairToScore]) -> list[Score]:
        """A score for each pair."""
        predictor = models[self.model].predictor
        tgt = predictor.vocabularies.tgt
        targets = [tgt.encode(pair.target) for pair in pairs]
        scores = token_log_probs(predictor, [pair.source for pair in pairs], targets, self.options)
        return [_score(tgt.pieces(ids), score) for ids, score in zip(targets, scores, strict=True)]


@dataclass(frozen=True, slots=True)
class Caption:
    """Pictures (3, height, width) to their captions, best first."""

    model: str
    options: DecodingConfig
    nbest: int

    def room(self, models: Models) -> int:
        """As much as the predictor decodes in a few batches."""
        return _room(models[self.model], self.options, self.nbest)

    def size(self, models: Models, picture: Tensor) -> int:
        """Positions of its feature map."""
        return 49

    def answer(self, models: Models, pictures: Sequence[Tensor]) -> list[list[Alternative]]:
        """Captions of each picture."""
        served = models[self.model]
        names = [str(number) for number in range(len(pictures))]
        served.album.pictures = dict(zip(names, pictures, strict=True))
        try:
            lists = served.predictor.nbest(names, self.nbest, self.options)
        finally:
            served.album.pictures = {}
        return [[_alternative(output) for output in found] for found in lists]


def _room(served: Served, options: DecodingConfig, nbest: int) -> int:
    return _BATCHES * served.predictor.batch_tokens(options) // max(options.beam, options.mbr, nbest)


def _length(served: Served, sentence: str) -> int:
    lengths = served.predictor.reader.lengths([sentence])
    assert lengths is not None  # a model that reads sentences
    return lengths[0]


def _alternative(output: Translation) -> Alternative:
    return Alternative(text=output.text, score=round(output.score, _DIGITS), log_prob=round(output.log_prob, _DIGITS))


def _score(pieces: Sequence[str], log_probs: Tensor) -> Score:
    total = float(log_probs.sum())
    return Score(
        log_prob=round(total, _DIGITS),
        per_token=round(total / len(log_probs), _DIGITS),
        tokens=_tokens(pieces, log_probs),
    )


def _tokens(pieces: Sequence[str], log_probs: Tensor) -> list[Token]:
    return [
        Token(text=piece, log_prob=round(value, _DIGITS))
        for piece, value in zip([*pieces, _END], log_probs.tolist(), strict=True)
    ]


def _alignment(translator: Translator, sentence: str, output: Translation, weights: Tensor) -> Alignment:
    src = translator.vocabularies.src
    pieces = src.pieces(src.encode(sentence)[: translator.config.data.max_tokens])
    rows = [[round(weight, _DIGITS) for weight in row] for row in weights.tolist()]
    return Alignment(source=[*pieces, _END], target=[*output.tokens, _END], weights=rows)
