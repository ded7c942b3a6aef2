"""What every trained model does, whatever it reads: batches in, text out."""

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch.nn import functional

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK, Vocabularies
from seq2seq.decoding.search import Hypothesis, SearchOptions, search
from seq2seq.errors import RunError
from seq2seq.model.compute import Compute, tune_process
from seq2seq.model.run_folder import load_run
from seq2seq.model.seq2seq import Seq2Seq


@dataclass(frozen=True, slots=True)
class Translation:
    """One output for one source."""

    text: str
    """Detokenised."""
    score: float
    """Log-probability in nats divided by the length penalty; 0 for an empty source."""
    tokens: tuple[str, ...]
    """Subword pieces of the output."""
    ids: tuple[int, ...]
    """Their numbers in the target vocabulary."""


class System(ABC):
    """A trained model, ready to use.

    Args:
        model: any model of the package.
        vocabularies: its subword models.
        config: its settings; ``config.decoding`` is what calls fall back on.
        compute: device and precision.
    """

    of_pictures: ClassVar[bool]
    """Whether sources are pictures."""

    def __init__(self, model: Seq2Seq, vocabularies: Vocabularies, config: Config, compute: Compute) -> None:
        self.model = model
        self.vocabularies = vocabularies
        self.config = config
        self.compute = compute

    @classmethod
    def load(cls, run: str | os.PathLike[str], *, device: str = "auto", precision: str = "fp32") -> Self:
        """Loads a run folder.

        Raises:
            RunError: it is no complete run, or damaged, or reads something else.
            ConfigError: no such device or precision.
        """
        compute = Compute.pick(device, precision)
        tune_process(compute)
        loaded = load_run(Path(run))
        if loaded.config.data.of_pictures != cls.of_pictures:
            right = "text, not pictures: use 'seq2seq translate'"
            if loaded.config.data.of_pictures:
                right = "pictures, not text: use 'seq2seq caption'"
            raise RunError(f"{run} reads {right}")
        return cls(loaded.model.to(compute.device), loaded.vocabularies, loaded.config, compute)

    @abstractmethod
    def nbest(
        self, sources: Sequence[str], count: int, options: DecodingConfig | None = None
    ) -> list[list[Translation]]:
        """Up to ``count`` outputs for each source, best first, in the order given."""

    @abstractmethod
    def batch(self, sources: Sequence[str], targets: Sequence[Sequence[int]]) -> Batch:
        """Sources and their right answers, to score the model on."""

    def best(self, sources: Sequence[str], options: DecodingConfig | None = None) -> list[Translation]:
        """The best output for each source, in the order given."""
        return [found[0] for found in self.nbest(sources, 1, options)]

    def decode(self, batch: Batch, longest: Sequence[int], options: DecodingConfig) -> list[list[Translation]]:
        """Outputs for each row of a batch, best first, none with more tokens than ``longest`` says of its row.

        Raises:
            RunError: the model's outputs are not numbers.
        """
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
        return [[self._translation(hypothesis) for hypothesis in hypotheses] for hypotheses in found]

    def log_probs(self, batch: Batch) -> list[float]:
        """Log-probability of each row's target with its end mark, in nats (Sutskever et al. 2014, eq. 1)."""
        batch = batch.to(self.compute.device)
        training = self.model.training
        self.model.eval()
        with torch.inference_mode(), self.compute.autocast():
            logits = self.model.decoder.output(self.model(batch)).float()
            nll = functional.cross_entropy(logits.mT, batch.tgt_out, ignore_index=PAD, reduction="none")
        self.model.train(training)
        return [-total for total in nll.sum(1).tolist()]

    def _translation(self, hypothesis: Hypothesis) -> Translation:
        tgt = self.vocabularies.tgt
        # Bytes can spell any control character: whatever some program takes for a line's end is a space.
        text = " ".join(tgt.decode(hypothesis.tokens).split())
        return Translation(text, hypothesis.score, tuple(tgt.pieces(hypothesis.tokens)), hypothesis.tokens)
