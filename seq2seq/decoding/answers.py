"""Sources in, the best outputs out: all of it but the models and the search; without importing torch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seq2seq.config import Config, DecodingConfig
from seq2seq.config.batch_size import decoding_batch_tokens
from seq2seq.corpus.subword import BOS, PAD, UNK, Vocabularies
from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.lengths import limits
from seq2seq.decoding.outputs import EMPTY, Translation, to_translation
from seq2seq.decoding.questions import Questions
from seq2seq.decoding.sentences import SentenceReader, Trained
from seq2seq.errors import ConfigError, RunError
from seq2seq.search.hypothesis import Hypothesis

if TYPE_CHECKING:
    from seq2seq.decoding.readers import ImageReader

NEVER = PAD, UNK, BOS
"""Tokens that no output contains."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found for the sources of one batch."""

    beams: list[list[Hypothesis]]
    """For each source, best first."""
    longest: Sequence[int]
    """Most tokens that an output of each may have."""


class Answering(ABC):
    """Trained models that answer together, whatever runs them.

    Attributes:
        members: one model, or several with the same target vocabulary.
        reader: of sentences or of pictures.
    """

    members: Sequence[Trained]
    reader: "SentenceReader | ImageReader"
    gpu_memory = 0
    """Bytes; 0: a CPU."""

    @property
    def vocabularies(self) -> Vocabularies:
        """The first member's; all have the same target vocabulary."""
        return self.members[0].vocabularies

    @property
    def config(self) -> Config:
        """The first member's; ``config.decoding`` holds the defaults of every call."""
        return self.members[0].config

    def batch_tokens(self, options: DecodingConfig) -> int:
        """Most source tokens times beam in a batch, as the settings say or, for ``auto``, the device allows."""
        return decoding_batch_tokens(options, len(self.vocabularies.tgt), self.gpu_memory)

    def is_empty(self, source: str) -> bool:
        """Whether a source has no tokens; then its one output is empty too."""
        return self.reader.lengths([source]) == [0]

    def check(self, options: DecodingConfig, *, requiring: bool) -> None:
        """Checks that these models can decode with these options.

        Args:
            options: how to decode.
            requiring: whether outputs have to contain required words.

        Raises:
            ConfigError: they cannot; names the settings, and what they need.
        """
        attends = any(member.config.model.attention != "none" for member in self.members)
        kind = self.config.subword.of_target().type
        faults = []
        for name in ("coverage_penalty", "replace_unknown"):
            if getattr(options, name) and not attends:
                faults.append(f'decoding.{name} needs attention, found model.attention = "none"')
        if options.replace_unknown and kind != "word":
            faults.append(f'decoding.replace_unknown is for vocabularies of words, found subword.type = "{kind}"')
        if self.config.data.reads_images and (options.min_ratio or options.max_ratio or options.replace_unknown):
            faults.append(
                "decoding.min_ratio, max_ratio and replace_unknown are about source words: a picture has none"
            )
        if requiring and (options.sample or options.diverse_groups > 1):
            faults.append("required words need a plain beam: leave out decoding.sample and decoding.diverse_groups")
        if faults:
            raise ConfigError("; ".join(faults))

    def best(
        self, sources: Sequence[str], options: DecodingConfig | None = None, constraints: Constraints | None = None
    ) -> list[Translation]:
        """The best output for each source, in the order given.

        Args:
            sources: any number.
            options: how to decode; None: as the run's ``[decoding]`` says.
            constraints: what the outputs must and must not contain.
        """
        questions = self._questions(sources, constraints)
        outputs = self._outputs(questions.texts, 1, options, questions.constraints, lists=False)
        return [candidates[0] for candidates in questions.answered(outputs)]

    def _questions(self, sources: Sequence[str], constraints: Constraints | None) -> Questions:
        return Questions.of(sources, constraints or Constraints(), self.config.subword)

    def _outputs(
        self,
        sources: Sequence[str],
        count: int,
        options: DecodingConfig | None,
        constraints: Constraints,
        *,
        lists: bool = True,
    ) -> list[list[Translation]]:
        """Outputs for each source as search found them, best first; without ``lists`` perhaps only the first."""
        options = options or self.config.decoding
        self.check(options, requiring=any(constraints.required))

        def decode(rows: Sequence[int]) -> list[list[Translation]]:
            return self._decode([sources[row] for row in rows], count, options, constraints.of(rows), lists=lists)

        width = max(options.beam, options.mbr, count)
        lower = f"lower what is kept of it (now {width}: --beam, --mbr, --nbest) or set --max-length"
        outputs = within_memory(self.reader.group(sources, self.batch_tokens(options) // width), decode, lower=lower)
        return [outputs.get(row, [EMPTY]) for row in range(len(sources))]

    def _decode(
        self, sources: Sequence[str], count: int, options: DecodingConfig, constraints: Constraints, *, lists: bool
    ) -> list[list[Translation]]:
        """Outputs for the sources of one batch.

        Raises:
            RunError: the model's outputs are not numbers.
        """
        found, tgt = self._search(sources, max(options.mbr, count), options, constraints), self.vocabularies.tgt
        if not all(beam and math.isfinite(beam[0].log_prob) for beam in found.beams):
            raise RunError("the model's outputs are not numbers: its training diverged, or its weights were changed")
        # Without any of these nothing but the first hypothesis can become the best output.
        several = bool(lists or options.mbr or options.coverage_penalty or constraints)
        return [
            [to_translation(hypothesis, tgt, most) for hypothesis in (beam if several else beam[:1])]
            for beam, most in zip(found.beams, found.longest, strict=True)
        ]

    @abstractmethod
    def _search(self, sources: Sequence[str], draws: int, options: DecodingConfig, constraints: Constraints) -> Found:
        """What is found for the sources of one batch; ``draws``: how many outputs sampling makes for each."""

    def _limits(self, sources: Sequence[str], options: DecodingConfig) -> tuple[Sequence[int], Sequence[int]]:
        """Least and most tokens of each source's output."""
        lengths: Sequence[int | None] = self.reader.lengths(sources) or [None] * len(sources)
        trained = self.members[0].target_lengths
        shortest, longest = zip(*(limits(length, options, trained) for length in lengths), strict=True)
        return shortest, longest
