"""What both APIs do: choose a run, keep to the limits, translate sentences and texts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.serving.batching import Worker
from seq2seq.serving.messages import Alternative, Output, PairToScore, Score
from seq2seq.serving.models import Models, Served
from seq2seq.serving.refusal import Refusal
from seq2seq.serving.settings import ServerSettings
from seq2seq.serving.splitting import split_text
from seq2seq.serving.tasks import Caption, ScorePairs, Translate


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a request wants of a translation beside its text."""

    beam: int = 0
    """0: the run's, or as many as ``nbest`` needs."""
    nbest: int = 1
    alignments: bool = False
    tokens: bool = False


class Service:
    """The served runs and the worker that answers.

    Args:
        settings: limits.
        worker: its models are the served runs.
    """

    def __init__(self, settings: ServerSettings, worker: Worker) -> None:
        self.settings, self.worker = settings, worker

    @property
    def models(self) -> Models:
        """The served runs, which a reload replaces."""
        return self.worker.models

    async def translate(self, served: Served, sentences: Sequence[str], wish: Wish) -> list[Output]:
        """An output for each sentence.

        Raises:
            Refusal: 413; more or longer sentences than the limits allow. 400; the run cannot do it.
        """
        self._check_sizes(sentences)
        if wish.alignments and not served.attends:
            raise Refusal(400, f"alignments need attention, and {served.name} has none")
        task = Translate(
            model=served.name,
            options=_options(served, wish),
            nbest=wish.nbest,
            alignments=wish.alignments,
            tokens=wish.tokens,
        )
        return await self.worker.answers(task, sentences)

    async def translate_texts(self, served: Served, texts: Sequence[str], wish: Wish) -> list[list[Output]]:
        """For each text the outputs of its sentences, with the white space after each."""
        split = [split_text(text) for text in texts]
        outputs = await self.translate(served, [piece.sentence for pieces in split for piece in pieces], wish)
        remaining = iter(outputs)
        return [[replace(next(remaining), space=piece.space) for piece in pieces] for pieces in split]

    async def score(self, served: Served, pairs: Sequence[PairToScore]) -> list[Score]:
        """A score for each pair.

        Raises:
            Refusal: 413, as for translations; 400; a source is empty.
        """
        self._check_sizes([pair.source for pair in pairs])
        self._check_sizes([pair.target for pair in pairs])
        for place, pair in enumerate(pairs):
            if served.predictor.is_empty(pair.source):
                raise Refusal(400, f"pairs[{place}].source: expected text, found none")
        return await self.worker.answers(ScorePairs(served.name, served.predictor.config.decoding), pairs)

    async def caption(self, served: Served, picture: Tensor, wish: Wish) -> list[Alternative]:
        """Captions of a picture, best first."""
        task = Caption(served.name, _options(served, wish), wish.nbest)
        captions: list[Alternative] = (await self.worker.answers(task, [picture]))[0]
        return captions

    def _check_sizes(self, sentences: Sequence[str]) -> None:
        if len(sentences) > self.settings.max_sentences:
            raise Refusal(413, f"expected at most {self.settings.max_sentences} sentences, found {len(sentences)}")
        if longest := max((len(one) for one in sentences if len(one) > self.settings.max_characters), default=0):
            raise Refusal(
                413, f"expected sentences of at most {self.settings.max_characters} characters, found one of {longest}"
            )


def joined(outputs: Sequence[Output], alternative: int = 0) -> str:
    """The text of outputs with their white space; of each the n-th alternative, or its best where there is none."""
    parts = []
    for output in outputs:
        others = output.alternatives or []
        parts.append(others[alternative - 1].text if 0 < alternative <= len(others) else output.text)
        parts.append(output.space)
    return "".join(parts)


def _options(served: Served, wish: Wish) -> DecodingConfig:
    """The run's decoding settings with the beam that is asked for.

    Raises:
        ConfigError: they do not go together.
        Refusal: 400; more outputs than the beam finds.
    """
    config = served.predictor.config
    options = config.decoding
    beam = wish.beam or max(options.beam, wish.nbest)
    if wish.nbest > beam:
        raise Refusal(400, f"nbest: expected at most the beam's {beam}, found {wish.nbest}")
    return options if beam == options.beam else replace(config, decoding=replace(options, beam=beam)).decoding
