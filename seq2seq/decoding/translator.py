"""Sentences in, sentences out: subwords, batches and search around a trained model."""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.batching import collate
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK, Vocabularies
from seq2seq.decoding.search import Hypothesis, SearchOptions, search
from seq2seq.errors import RunError
from seq2seq.model.compute import Compute, tune_process
from seq2seq.model.run_folder import load_run
from seq2seq.model.seq2seq import Seq2Seq

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Translation:
    """One output for one sentence."""

    text: str
    """Detokenised."""
    score: float
    """Log-probability in nats divided by the length penalty; 0 for an empty source."""
    tokens: tuple[str, ...]
    """Subword pieces of the output."""
    ids: tuple[int, ...]
    """Their numbers in the target vocabulary."""


class Translator:
    """A trained model, ready to use.

    Args:
        model: any model of the package.
        vocabularies: its subword models.
        config: its settings; ``config.decoding`` is what calls fall back on.
        compute: device and precision.
    """

    def __init__(self, model: Seq2Seq, vocabularies: Vocabularies, config: Config, compute: Compute) -> None:
        self.model = model
        self.vocabularies = vocabularies
        self.config = config
        self.compute = compute

    @classmethod
    def load(cls, run: str | os.PathLike[str], *, device: str = "auto", precision: str = "fp32") -> "Translator":
        """Loads a run folder.

        Raises:
            RunError: it is no complete run, or damaged.
            ConfigError: no such device or precision.
        """
        compute = Compute.pick(device, precision)
        tune_process(compute)
        loaded = load_run(Path(run))
        return cls(loaded.model.to(compute.device), loaded.vocabularies, loaded.config, compute)

    def translate(self, sentences: Sequence[str], options: DecodingConfig | None = None) -> list[Translation]:
        """The best translation of each sentence, in the order given."""
        return [best[0] for best in self.nbest(sentences, 1, options)]

    def nbest(
        self, sentences: Sequence[str], count: int, options: DecodingConfig | None = None
    ) -> list[list[Translation]]:
        """Up to ``count`` translations of each sentence, best first.

        An empty sentence (nothing but white space) has one, empty, translation. A source longer than
        ``config.data.max_tokens`` is cut there: the model never saw a longer one.
        """
        options = options or self.config.decoding
        sources = [self.vocabularies.src.encode(sentence)[: self.config.data.max_tokens] for sentence in sentences]
        outputs = [[Translation("", 0.0, (), ())] for _ in sentences]
        # Sentences of one length make batches without padding; longest first shows a lack of memory at once.
        by_length = sorted((row for row, source in enumerate(sources) if source), key=lambda row: -len(sources[row]))
        lengths = [len(sources[row]) + 1 for row in by_length]
        for batch in _fill(by_length, lengths, options.batch_tokens // options.beam):
            for row, found in zip(batch, self._search([sources[row] for row in batch], options), strict=True):
                outputs[row] = [self._translation(hypothesis) for hypothesis in found[:count]]
        return outputs

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is too long to be read to its end."""
        most = self.config.data.max_tokens
        # No token is shorter than a byte, save for the mark of the first word.
        return len(sentence.encode("utf-8", "replace")) >= most and len(self.vocabularies.src.encode(sentence)) > most

    def _search(self, sources: Sequence[Sequence[int]], options: DecodingConfig) -> list[list[Hypothesis]]:
        batch = collate(sources, reverse=self.config.model.reverse_source)
        longest = [options.max_length or 2 * len(source) + 10 for source in sources]
        training = self.model.training
        self.model.eval()
        with torch.inference_mode(), self.compute.autocast():
            _, state = self.model.encode(batch.to(self.compute.device))
            found = search(
                self.model.decoder.step,
                state,
                torch.tensor(longest, device=self.compute.device),
                SearchOptions(
                    bos=BOS,
                    eos=EOS,
                    banned=(PAD, UNK, BOS),
                    beam=options.beam,
                    length_penalty=options.length_penalty,
                ),
            )
        self.model.train(training)
        if not all(best and math.isfinite(best[0].log_prob) for best in found):
            raise RunError("the model's outputs are not numbers: its training diverged, or its weights were changed")
        return found

    def _translation(self, hypothesis: Hypothesis) -> Translation:
        tgt = self.vocabularies.tgt
        # Bytes can spell any control character: whatever some program takes for a line's end is a space.
        text = " ".join(tgt.decode(hypothesis.tokens).split())
        return Translation(text, hypothesis.score, tuple(tgt.pieces(hypothesis.tokens)), hypothesis.tokens)


def _fill(items: Sequence[Item], lengths: Sequence[int], budget: int) -> Iterator[Sequence[Item]]:
    """Runs of items whose count times their longest length stays within the budget, one item at least."""
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or (end + 1 - start) * max(lengths[start], lengths[end]) > budget:
            yield items[start:end]
            start = end
