"""Each rule by itself, and which of two wins."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor
from toy_search import ALL_START, BOS, EOS, VOCAB

from seq2seq.search.rules import (
    FREE,
    Banned,
    Bigrams,
    BlockedPhrases,
    MinLength,
    NoRepeatNgram,
    Position,
    Rules,
    Strike,
    prefix_table,
)

FAR = torch.tensor([99, 99, 99])
# Of no token in particular, so that a value that is kept or restored is recognised.
VALUES = torch.tensor([-1.1, -1.2, -1.3, -1.4, -1.5])


def position(rows: Sequence[list[int]], sentence: Sequence[int]) -> Position:
    """Where rows with these tokens stand."""
    tokens = torch.tensor(rows, dtype=torch.long).reshape(len(rows), -1)
    last = torch.cat([torch.full((len(rows), 1), BOS), tokens], dim=1)[:, -1]
    return Position(torch.tensor(sentence), last, torch.tensor(tokens.shape[1]), tokens)


def struck(rule: Strike, *rows: list[int], sentence: list[int] | None = None) -> list[set[int]]:
    """The tokens that a rule strikes out after some, row by row; it may change no other value."""
    log_probs = VALUES.repeat(len(rows), 1)
    rule(log_probs, position(rows, sentence or [0] * len(rows)))
    gone = log_probs == -torch.inf
    assert torch.equal(log_probs[~gone], VALUES.repeat(len(rows), 1)[~gone])
    return [set(row.nonzero().flatten().tolist()) for row in gone]


def test_what_is_banned_is_struck_out() -> None:
    assert struck(Banned((BOS, 3)), [2], [3]) == [{BOS, 3}] * 2


def test_bigrams_go_by_the_last_token_and_by_the_beginning() -> None:
    ending = torch.tensor([0, 0, 1, 0, 1])
    barred = torch.zeros(3, VOCAB, dtype=torch.bool)
    barred[0, 4] = barred[1, 2] = barred[1, 3] = barred[2, 0] = True
    rule = Bigrams(ending, barred)
    assert struck(rule, [], []) == [{0}, {0}]
    assert struck(rule, [2], [3], [4]) == [{2, 3}, {4}, {2, 3}]
    assert struck(rule, [2, 3], [3, 2]) == [{4}, {2, 3}]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("length", range(7))
def test_an_ngram_is_struck_out_exactly_where_it_would_come_again(order: int, length: int) -> None:
    rows = [list(tokens) for tokens in product((2, 3), repeat=length)]

    def repeats(tokens: list[int]) -> bool:
        ngrams = [tuple(tokens[place : place + order]) for place in range(len(tokens) - order + 1)]
        return len(ngrams) > 0 and ngrams[-1] in ngrams[:-1]

    expected = [{token for token in range(VOCAB) if repeats([*row, token])} for row in rows]
    assert struck(NoRepeatNgram(order), *rows) == expected


def test_the_end_mark_is_struck_out_of_what_is_too_short() -> None:
    rule = MinLength(torch.tensor([3, 0, 2]), EOS)
    assert struck(rule, [2, 2], [2, 2], [2, 2], [3, 3], sentence=[0, 1, 2, 0]) == [{EOS}, set(), set(), {EOS}]
    assert struck(rule, [2], sentence=[2]) == [{EOS}]
    assert struck(rule, [2, 2, 2], sentence=[0]) == [set()]


# 2 and 3 begin a word; 4 continues one; after the begin mark and after 3, as after a comma, a word begins.
WORD_START = torch.tensor([True, True, True, True, False])
WORD_END = torch.tensor([True, True, False, True, False])
STARTS = {0, 1, 2, 3}


def blocking(*phrases: tuple[int, ...], longest: Tensor = FAR) -> BlockedPhrases:
    return BlockedPhrases(phrases, WORD_START, WORD_END, longest)


@pytest.mark.parametrize(
    ("phrase", "tokens", "expected"),
    [
        ((2,), [], set()),
        ((2,), [2], STARTS),
        ((2,), [3, 2], STARTS),
        ((2,), [2, 2], STARTS),
        ((2,), [2, 3], set()),
        ((2,), [2, 4], set()),
        ((2, 4), [4], set()),
        ((2, 4), [2, 4], STARTS),
        ((2, 4), [3, 4], set()),
        ((2, 3), [4, 2, 3], STARTS),
        ((2, 3, 2), [3, 2], set()),
        # 4 by itself is the phrase only where a word begins anyhow.
        ((4,), [4], STARTS),
        ((4,), [3, 4], STARTS),
        ((4,), [2, 4], set()),
        ((4,), [4, 4], set()),
        ((4, 2), [3, 4, 2], STARTS),
        ((4, 2), [2, 4, 2], set()),
    ],
)
def test_after_a_blocked_phrase_its_last_word_must_become_another(
    phrase: tuple[int, ...], tokens: list[int], expected: set[int]
) -> None:
    assert struck(blocking(phrase), tokens) == [expected]


def test_several_phrases_are_blocked_together_and_rows_apart() -> None:
    assert struck(blocking((2,), (3, 3)), [3, 3], [3, 2], [2, 3]) == [STARTS, STARTS, set()]


@pytest.mark.parametrize(
    ("phrase", "tokens", "expected"),
    [
        ((2,), [3], {2}),
        ((2, 3), [2], {3}),
        ((2, 3), [3], set()),
        ((4, 3), [4], {3}),
        ((4,), [3], {4}),
        ((4,), [2], set()),
        ((2, 3, 2), [2], set()),
    ],
)
def test_the_last_token_that_fits_may_not_complete_a_blocked_phrase(
    phrase: tuple[int, ...], tokens: list[int], expected: set[int]
) -> None:
    rows, longest = [tokens] * 3, torch.tensor([1, 2, 3])
    assert struck(blocking(phrase, longest=longest), *rows, sentence=[0, 1, 2]) == [expected, expected, set()]


def apply(rules: Rules, *rows: list[int], sentence: list[int] | None = None) -> list[dict[int, float]]:
    """What is allowed after some tokens, with its values."""
    where = position(rows, sentence or range(len(rows)))
    scores = rules.apply(VALUES.repeat(len(rows), 1), where)
    free = len(rows[0]) in rules.free_steps()
    if free:
        alike = rules.apply(VALUES.repeat(len(rows), 1), where, free=True)
        assert alike.forced is None or rules.look_back
        assert torch.equal(alike.log_probs, scores.log_probs)
    allowed = [
        {token: value for token, value in enumerate(row) if value > -torch.inf} for row in scores.log_probs.tolist()
    ]
    assert scores.forced is not None
    for row, (is_forced, token, value) in enumerate(
        zip(scores.forced.rows.tolist(), scores.forced.token.tolist(), scores.forced.log_prob.tolist(), strict=True)
    ):
        if is_forced:
            assert rules.look_back or not free
            allowed[row] = {token: value}
        else:
            assert value == -torch.inf
    return allowed


def values(*tokens: int) -> dict[int, float]:
    return {token: VALUES[token].item() for token in tokens}


EVERYTHING = values(*range(VOCAB))


def test_without_rules_all_is_allowed_up_to_the_longest_output() -> None:
    rules = Rules(eos=EOS, longest=torch.tensor([1, 2, 3]))
    assert apply(rules, [2, 2], [2, 2], [2, 2]) == [values(EOS), values(EOS), EVERYTHING]
    assert apply(rules, [], [], []) == [EVERYTHING] * 3
    assert apply(rules, [2, 2], [2, 2], sentence=[2, 0]) == [EVERYTHING, values(EOS)]


def test_strikes_are_all_applied() -> None:
    rules = Rules(eos=EOS, longest=FAR, strikes=[Banned((BOS,)), NoRepeatNgram(1), MinLength(FAR, EOS)])
    assert apply(rules, [2], [3]) == [values(3, 4), values(2, 4)]


def test_a_forced_prefix_goes_before_all_strikes_and_has_the_models_value() -> None:
    barred = torch.ones(3, VOCAB, dtype=torch.bool)
    strikes = [
        Banned((2, 3, 4)),
        Bigrams(torch.zeros(VOCAB, dtype=torch.long), barred),
        NoRepeatNgram(1),
        BlockedPhrases(((2,), (3,)), ALL_START, ALL_START, FAR),
        MinLength(FAR, EOS),
    ]
    prefix = prefix_table([[3, 3], [3, EOS], [3, 2]])
    for strike in strikes:
        rules = Rules(eos=EOS, longest=FAR, prefix=prefix, strikes=[strike])
        assert apply(rules, [3], [3], [3]) == [values(3), values(EOS), values(2)]


def test_after_its_prefix_a_row_is_free() -> None:
    rules = Rules(eos=EOS, longest=FAR, prefix=prefix_table([[3, 2], [], [4]]), strikes=[Banned((2,))])
    rest = values(0, 1, 3, 4)
    assert apply(rules, [], [], []) == [values(3), rest, values(4)]
    assert apply(rules, [3], [3], [4]) == [values(2), rest, rest]
    assert apply(rules, [3, 2], [3, 2], [4, 2]) == [rest] * 3
    assert apply(rules, [3], [3], [3], sentence=[1, 0, 0]) == [rest, values(2), values(2)]


def test_the_maximum_length_goes_before_prefix_and_minimum() -> None:
    longest = torch.tensor([1, 2])
    rules = Rules(
        eos=EOS, longest=longest, prefix=prefix_table([[2, 3, 4]] * 2), strikes=[MinLength(FAR, EOS), Banned((EOS,))]
    )
    assert apply(rules, [2], [2]) == [values(EOS), values(3)]
    assert apply(rules, [2, 3], [2, 3]) == [values(EOS)] * 2


@pytest.mark.parametrize("rule", [NoRepeatNgram(1), BlockedPhrases(((2,), (3,)), ALL_START, ALL_START, FAR)])
def test_what_cannot_go_on_may_end_and_nothing_else_may(rule: Strike) -> None:
    rules = Rules(eos=EOS, longest=FAR, strikes=[Banned((BOS, 4)), rule, MinLength(FAR, EOS)])
    assert apply(rules, [2, 3], [4, 4]) == [values(EOS), values(2, 3)]


def test_prefixes_are_filled_up() -> None:
    assert prefix_table([[2, 3], [], [4]]).tolist() == [[2, 3], [FREE, FREE], [4, FREE]]
    assert prefix_table([[], []]) is None
    assert prefix_table([]) is None


def test_steps_are_free_after_all_prefixes_and_before_the_first_maximum() -> None:
    longest = torch.tensor([7, 4, 9])
    assert Rules(eos=EOS, longest=longest).free_steps() == range(4)
    assert Rules(eos=EOS, longest=longest, prefix=prefix_table([[2, 3], [], [4]])).free_steps() == range(2, 4)
    assert len(Rules(eos=EOS, longest=longest[:0]).free_steps()) == 0


def test_a_rule_that_looks_back_needs_something_to_look_at() -> None:
    assert Rules(eos=EOS, longest=FAR, strikes=[Banned((2,)), NoRepeatNgram(2)]).look_back
    assert Rules(eos=EOS, longest=FAR, strikes=[blocking((2,))]).look_back
    assert not Rules(eos=EOS, longest=FAR, strikes=[Banned((2,)), MinLength(FAR, EOS)]).look_back
    with pytest.raises(ValueError, match="looks back"):
        NoRepeatNgram(2)(VALUES.repeat(1, 1), replace(position([[2]], [0]), tokens=None))


@pytest.mark.parametrize("kept", [[2, 0], [1], [1, 1, 2]])
def test_some_of_the_sentences_have_the_same_rules(kept: list[int]) -> None:
    longest = torch.tensor([4, 2, 3])
    strikes = [
        MinLength(torch.tensor([3, 0, 2]), EOS),
        BlockedPhrases(((2, 3), (4,)), WORD_START, WORD_END, longest),
        Banned((0,)),
        NoRepeatNgram(1),
    ]
    rules = Rules(eos=EOS, longest=longest, prefix=prefix_table([[], [2, 3], [4]]), strikes=strikes)
    for rows in ([[]] * 3, [[3], [2], [4]], [[2, 4], [2, 3], [4, 2]], [[2, 2, 2]] * 3):
        of_all = apply(rules, *rows)
        assert apply(rules.of(torch.tensor(kept)), *(rows[row] for row in kept)) == [of_all[row] for row in kept]
