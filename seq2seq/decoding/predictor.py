"""Sources in, outputs out: search over an ensemble, and what turns token ids into text."""

import math
from collections.abc import Sequence

import torch

from seq2seq.config import DecodingConfig
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK
from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.constraints import Constraints, TokenConstraints
from seq2seq.decoding.ensemble import Ensemble, JointState, JointStep
from seq2seq.decoding.lengths import limits, room_for_constraints
from seq2seq.decoding.outputs import EMPTY, Translation, least_risk, seed_of, to_translation
from seq2seq.decoding.scoring import canonical, check_options, with_coverage, with_source_words
from seq2seq.errors import RunError
from seq2seq.metrics.criterion import Criterion
from seq2seq.search.hypothesis import Hypothesis, Ranking
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, Bigrams, BlockedPhrases, MinLength, NoRepeatNgram, Rules, Strike, prefix_table
from seq2seq.search.strategy import search

# Sources that are recorded have a multiple of so many positions, so that a recording serves many batches.
_POSITIONS = 16


class Predictor(Ensemble):
    """An ensemble that decodes: the best output for each source, or an n-best list."""

    def best(
        self, sources: Sequence[str], options: DecodingConfig | None = None, constraints: Constraints | None = None
    ) -> list[Translation]:
        """The best output for each source, in the order given.

        Args:
            sources: any number.
            options: how to decode; None: as the run's ``[decoding]`` says.
            constraints: what the outputs must and must not contain.
        """
        constraints = constraints or Constraints()
        outputs = self._outputs(sources, 1, options, constraints, lists=False)
        return [candidates[0] for candidates in constraints.satisfied_first(outputs)]

    def nbest(
        self,
        sources: Sequence[str],
        count: int,
        options: DecodingConfig | None = None,
        constraints: Constraints | None = None,
    ) -> list[list[Translation]]:
        """Up to ``count`` outputs for each source, best first, in the order given.

        Outputs that violate a constraint come after those that do not. Texts are unique, and each has the score of
        its canonical segmentation, even where search found another one. Sampling draws ``count`` outputs, of which some
        may be the same text.
        """
        constraints = constraints or Constraints()
        outputs = self._outputs(sources, count, options, constraints)
        scored = canonical(self, sources, outputs, options or self.config.decoding)
        return [candidates[:count] for candidates in constraints.satisfied_first(scored)]

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
        check_options(self, options, requiring=any(constraints.required))

        def decode(rows: Sequence[int]) -> list[list[Translation]]:
            return self._decode([sources[row] for row in rows], count, options, constraints.of(rows), lists=lists)

        width = max(options.beam, options.mbr, count)
        lower = f"lower what is kept of it (now {width}: --beam, --mbr, --nbest) or set --max-length"
        outputs = within_memory(self.reader.group(sources, self.batch_tokens(options) // width), decode, lower=lower)
        return [outputs.get(row, [EMPTY]) for row in range(len(sources))]

    def _decode(
        self, sources: Sequence[str], count: int, options: DecodingConfig, constraints: Constraints, *, lists: bool
    ) -> list[list[Translation]]:
        """Outputs for the sources of one batch."""
        beams = self._search(sources, options, constraints, max(options.mbr, count))
        # Without any of these nothing but the first hypothesis can become the best output.
        if not (lists or options.mbr or options.coverage_penalty or constraints):
            beams = [hypotheses[:1] for hypotheses in beams]
        tgt = self.vocabularies.tgt
        outputs = [[to_translation(hypothesis, tgt) for hypothesis in hypotheses] for hypotheses in beams]
        if options.coverage_penalty:
            outputs = with_coverage(self, sources, outputs, options.coverage_penalty)
        if options.mbr:
            criterion = Criterion.of_run(self.config)
            outputs = [least_risk(candidates, options, criterion) for candidates in outputs]
        if options.replace_unknown:
            outputs = with_source_words(self, sources, outputs)
        return outputs

    def _search(
        self, sources: Sequence[str], options: DecodingConfig, constraints: Constraints, draws: int
    ) -> list[list[Hypothesis]]:
        """Hypotheses for the sources of one batch, best first.

        Raises:
            RunError: the model's outputs are not numbers.
        """
        tgt = self.vocabularies.tgt
        tokens = TokenConstraints.of(constraints, tgt, self.device_spec.device) if constraints else None
        rules = self._rules(sources, options, tokens)
        with self.ready():
            decoders = tuple(member.model.decoder for member in self.members)
            state, step = (
                JointState(tuple(state for _, state in self.start(sources))),
                JointStep(decoders, options.combination),
            )
            if self.recordings is not None:
                state = state.lengthened(_POSITIONS)
            hypotheses = search(
                SearchProblem(step, state, BOS, rules, Ranking.of(options), self.recordings),
                options,
                seeds=[seed_of(options.seed, source) for source in sources],
                draws=draws,
                required=tokens.required if tokens else (),
                word_start=tokens.word_start if tokens else None,
            )
        if not all(beam and math.isfinite(beam[0].log_prob) for beam in hypotheses):
            raise RunError("the model's outputs are not numbers: its training diverged, or its weights were changed")
        return hypotheses

    def _rules(self, sources: Sequence[str], options: DecodingConfig, tokens: TokenConstraints | None) -> Rules:
        """What the outputs of a batch may look like: lengths, constraints, and what the vocabulary forbids."""
        device = self.device_spec.device
        lengths: Sequence[int | None] = self.reader.lengths(sources) or [None] * len(sources)
        shortest, longest = zip(*(limits(length, options) for length in lengths), strict=True)
        if tokens:
            longest = room_for_constraints(longest, [tokens.needed(row) for row in range(len(sources))], options)
        most = torch.tensor(longest, device=device)
        strikes: list[Strike] = [Banned((PAD, BOS) if options.replace_unknown else (PAD, UNK, BOS))]
        if bigrams := self.vocabularies.tgt.forbidden_bigrams:
            strikes.append(
                Bigrams(
                    torch.tensor(bigrams.ends_in_letter, device=device), torch.tensor(bigrams.forbidden, device=device)
                )
            )
        if options.no_repeat_ngram:
            strikes.append(NoRepeatNgram(options.no_repeat_ngram))
        if tokens and tokens.blocked:
            strikes.append(BlockedPhrases(tokens.blocked, tokens.word_start, tokens.word_end, most))
        if any(shortest):
            strikes.append(MinLength(torch.tensor(shortest, device=device), EOS))
        prefix = prefix_table(tokens.prefixes) if tokens else None
        return Rules(eos=EOS, longest=most, prefix=None if prefix is None else prefix.to(device), strikes=strikes)
