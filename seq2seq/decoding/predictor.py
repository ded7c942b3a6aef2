"""Sources in, outputs out: search over an ensemble, and what turns token ids into text."""

import math
from collections.abc import Sequence

import torch

from seq2seq.config import DecodingConfig
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK
from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.constraints import Constraints, TokenConstraints
from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.lengths import limits, room_for_constraints
from seq2seq.decoding.outputs import EMPTY, Translation, least_risk, seed_of, to_translation
from seq2seq.decoding.questions import Questions
from seq2seq.decoding.scoring import canonical, check_options, with_coverage, with_source_words
from seq2seq.errors import RunError
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
        questions = self._questions(sources, constraints)
        outputs = self._outputs(questions.texts, 1, options, questions.constraints, lists=False)
        return [candidates[0] for candidates in questions.answered(outputs)]

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
        questions = self._questions(sources, constraints)
        outputs = self._outputs(questions.texts, count, options, questions.constraints)
        scored = canonical(self, questions.texts, outputs, options or self.config.decoding)
        return [candidates[:count] for candidates in questions.answered(scored)]

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
        tgt, device = self.vocabularies.tgt, self.device_spec.device
        tokens = TokenConstraints.of(constraints, tgt, device) if constraints else None
        rules = self._rules(sources, options, tokens)
        beams = self._search(sources, options, rules, tokens, max(options.mbr, count))
        # Without any of these nothing but the first hypothesis can become the best output.
        if not (lists or options.mbr or options.coverage_penalty or constraints):
            beams = [hypotheses[:1] for hypotheses in beams]
        longest = rules.longest.tolist()
        outputs = [
            [to_translation(hypothesis, tgt, most) for hypothesis in hypotheses]
            for hypotheses, most in zip(beams, longest, strict=True)
        ]
        if options.coverage_penalty:
            outputs = with_coverage(self, sources, outputs, options.coverage_penalty)
        if options.mbr:
            from seq2seq.metrics.criterion import Criterion  # as in least_risk

            criterion = Criterion.of_run(self.config)
            outputs = [least_risk(candidates, options, criterion) for candidates in outputs]
        if options.replace_unknown:
            outputs = with_source_words(self, sources, outputs)
        return outputs

    def _search(
        self,
        sources: Sequence[str],
        options: DecodingConfig,
        rules: Rules,
        tokens: TokenConstraints | None,
        draws: int,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for the sources of one batch, best first.

        Raises:
            RunError: the model's outputs are not numbers.
        """
        with self.ready():
            step, state = self.begin(sources, options.combination)
            if self.recordings is not None:
                state = state.lengthened(_POSITIONS)
            hypotheses = search(
                SearchProblem(step, state, BOS, rules, Ranking.of(options), self.recordings, step.beam_search),
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
        trained = self.members[0].target_lengths
        shortest, longest = zip(*(limits(length, options, trained) for length in lengths), strict=True)
        if tokens:
            longest = room_for_constraints(longest, [tokens.needed(row) for row in range(len(sources))], options)
        most = torch.tensor(longest, device=device)
        never = (PAD, BOS) if options.replace_unknown else (PAD, UNK, BOS)
        banned = (*never, *(tokens.banned if tokens else ()))
        strikes: list[Strike] = [Banned(torch.tensor(banned, device=device))]
        if bigrams := self.vocabularies.tgt.forbidden_bigrams:
            strikes.append(
                Bigrams(
                    torch.tensor(bigrams.ends_in_letter, device=device), torch.tensor(bigrams.forbidden, device=device)
                )
            )
        if options.no_repeat_ngram:
            strikes.append(NoRepeatNgram(options.no_repeat_ngram))
        if tokens and tokens.blocked:
            # Nothing continues a whole word: a phrase must not be completed, as if there were no room after it.
            room = torch.zeros_like(most) if self.config.subword.type == "word" else most
            strikes.append(BlockedPhrases(tokens.blocked, tokens.word_start, tokens.word_end, room))
        if any(shortest):
            strikes.append(MinLength(torch.tensor(shortest, device=device), EOS))
        prefix = prefix_table(tokens.prefixes) if tokens else None
        return Rules(eos=EOS, longest=most, prefix=None if prefix is None else prefix.to(device), strikes=strikes)
