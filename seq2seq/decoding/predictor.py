"""Sources in, outputs out: search over an ensemble in torch."""

from collections.abc import Sequence

import torch

from seq2seq.config import DecodingConfig
from seq2seq.corpus.subword import BOS, EOS, PAD
from seq2seq.decoding.answers import NEVER, Found
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.lengths import room_for_constraints
from seq2seq.decoding.outputs import Translation, least_risk, seed_of
from seq2seq.decoding.scoring import canonical, with_coverage, with_source_words
from seq2seq.decoding.token_constraints import TokenConstraints
from seq2seq.search.hypothesis import Ranking
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, Bigrams, BlockedPhrases, MinLength, NoRepeatNgram, Rules, Strike, prefix_table
from seq2seq.search.strategy import search

# Sources that are recorded have a multiple of so many positions, so that a recording serves many batches.
_POSITIONS = 16


class Predictor(Ensemble):
    """An ensemble that decodes: the best output for each source, or an n-best list."""

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

    def _decode(
        self, sources: Sequence[str], count: int, options: DecodingConfig, constraints: Constraints, *, lists: bool
    ) -> list[list[Translation]]:
        """Outputs for the sources of one batch."""
        outputs = super()._decode(sources, count, options, constraints, lists=lists)
        if options.coverage_penalty:
            outputs = with_coverage(self, sources, outputs, options.coverage_penalty)
        if options.mbr:
            from seq2seq.metrics.criterion import Criterion  # as in least_risk

            criterion = Criterion.of_run(self.config)
            outputs = [least_risk(candidates, options, criterion) for candidates in outputs]
        if options.replace_unknown:
            outputs = with_source_words(self, sources, outputs)
        return outputs

    def _search(self, sources: Sequence[str], draws: int, options: DecodingConfig, constraints: Constraints) -> Found:
        """Hypotheses for the sources of one batch."""
        device = self.device_spec.device
        tokens = TokenConstraints.of(constraints, self.vocabularies.tgt, device) if constraints else None
        rules = self._rules(sources, options, tokens)
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
        return Found(hypotheses, rules.longest.tolist())

    def _rules(self, sources: Sequence[str], options: DecodingConfig, tokens: TokenConstraints | None) -> Rules:
        """What the outputs of a batch may look like: lengths, constraints, and what the vocabulary forbids."""
        device = self.device_spec.device
        shortest, longest = self._limits(sources, options)
        if tokens:
            longest = room_for_constraints(longest, [tokens.needed(row) for row in range(len(sources))], options)
        most = torch.tensor(longest, device=device)
        never = (PAD, BOS) if options.replace_unknown else NEVER
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
