"""Required phrases: how much of them a hypothesis contains, who has which slot, and that outputs contain them."""

from itertools import pairwise, product

import pytest
import torch
from toy_search import ALL_START, BOS, EOS, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import beam_search
from seq2seq.search.constrained import ConstrainedBeam, PhraseProgress, _Extension, constrained_search
from seq2seq.search.decode import narrow
from seq2seq.search.rules import Banned, NoRepeatNgram, Scores, prefix_table
from seq2seq.search.slots import Slots, first_slots
from seq2seq.search.step import advance

# Token 4 goes on with the word before it.
WORD_START = torch.tensor([True, True, True, True, False])


def after(phrases: tuple[tuple[int, ...], ...], *tokens: int) -> PhraseProgress:
    progress = PhraseProgress(phrases)
    for token in tokens:
        progress = progress.after(token)
    return progress


@pytest.mark.parametrize("phrase", [p for length in (1, 2, 3, 4) for p in product((2, 3), repeat=length)], ids=str)
def test_progress_is_the_longest_suffix_that_begins_the_phrase(phrase: tuple[int, ...]) -> None:
    for tokens in product((2, 3, 4), repeat=6):
        progress = PhraseProgress((phrase,))
        for count in range(1, 7):
            progress, before = progress.after(tokens[count - 1]), progress
            text = tokens[:count]
            if any(text[place : place + len(phrase)] == phrase for place in range(count)):
                assert (progress.missing, progress.remaining, progress.next_tokens()) == ((), 0, set())
                assert progress.completed == (phrase if before.missing else ())
                continue
            begun = max(size for size in range(len(phrase)) if text[count - size :] == phrase[:size])
            assert progress == PhraseProgress((phrase,), begun=phrase[:begun])
            assert progress.remaining == len(phrase) - begun
            assert progress.next_tokens() == {phrase[begun]}


def test_phrases_with_one_beginning_are_begun_together() -> None:
    both = after(((2, 3), (2, 4)), 2)
    assert both.next_tokens() == {3, 4}
    assert (both.remaining, both.completed) == (3, ())
    assert both.after(4) == PhraseProgress(((2, 3),), completed=(2, 4))
    assert both.after(4).next_tokens() == {2}
    assert after(((2,), (3, 4))).next_tokens() == {2, 3}


def test_a_phrase_that_is_required_twice_is_required_twice() -> None:
    once = after(((4,), (4,)), 4)
    assert (once.missing, once.remaining) == (((4,),), 1)
    assert once.after(4).remaining == 0


def test_a_completed_phrase_leaves_the_others_in_their_order() -> None:
    assert after(((2,), (3,), (4,)), 3).missing == ((2,), (4,))


def test_a_word_that_goes_on_is_missing_again() -> None:
    progress = PhraseProgress(((2,),)).after(2)
    assert progress.remaining == 0
    assert progress.after(4, inside=True) == PhraseProgress(((2,),))
    assert progress.after(4) == PhraseProgress(())
    assert progress.after(4).after(4, inside=True).remaining == 0
    assert PhraseProgress(((3,),)).after(4, inside=True) == PhraseProgress(((3,),))


def beam_of(slots: int, phrases: list[tuple[int, ...]], longest: int = 9) -> ConstrainedBeam:
    return ConstrainedBeam(problem(ToyModel(), torch.tensor([longest])).rules, slots, [phrases], WORD_START)


def share_out(slots: int, stages: list[int]) -> list[int]:
    """Which stages are kept of extensions, best first, when three tokens are required."""
    extensions = [
        _Extension(-float(place), 0, 3, PhraseProgress(((2, 2, 2),), begun=(2,) * stage))
        for place, stage in enumerate(stages)
    ]
    kept = beam_of(slots, [(2, 2, 2)])._share_out(0, extensions[::-1])
    assert [one.value for one in kept] == sorted((one.value for one in kept), reverse=True)
    assert len(set(map(id, kept))) == len(kept)
    return [len(one.progress.begun) for one in kept]


@pytest.mark.parametrize(
    ("slots", "stages", "kept"),
    [
        (4, [0, 0, 0, 0, 1, 1, 2], [0, 0, 1, 2]),
        (8, [0] * 9 + [1] * 3 + [2], [0, 0, 0, 0, 0, 1, 1, 2]),
        (8, [0] * 9 + [2] * 5, [0] * 6 + [2] * 2),
        (1, [0, 1, 2], [2]),
        (2, [0, 1, 2], [1, 2]),
        (3, [0, 0, 0, 0, 1, 2], [0, 1, 2]),
        (5, [0, 1], [0, 1]),
        # What is left of the slots goes to the best, whichever stage they are at.
        (8, [2, 2, 2, 2, 0, 0, 1, 1, 1], [2, 2, 2, 2, 0, 0, 1, 1]),
        (9, [2, 2, 2, 0, 0, 0, 0, 1, 1, 1], [2, 2, 2, 0, 0, 0, 0, 1, 1]),
    ],
)
def test_each_stage_has_its_share_and_the_furthest_come_first(slots: int, stages: list[int], kept: list[int]) -> None:
    assert share_out(slots, stages) == kept


def extended(beam: ConstrainedBeam, values: dict[int, float]) -> dict[int, float]:
    return {one.token: one.value for one in beam._extensions(0, 0, values)}


def test_nothing_ends_while_something_is_missing_unless_it_has_to() -> None:
    beam = beam_of(4, [(2,)])
    assert extended(beam, {EOS: -1.0, 2: -2.0, 3: -3.0}) == {2: -2.0, 3: -3.0}
    assert extended(beam, {EOS: -1.0, 2: -2.0, 3: -torch.inf}) == {2: -2.0}
    assert extended(beam, {EOS: -1.0, 3: -torch.inf}) == {EOS: -1.0}
    assert extended(beam_of(4, []), {EOS: -1.0, 2: -2.0}) == {EOS: -1.0, 2: -2.0}
    assert beam._extensions(0, 0, {2: -2.0})[0].progress == PhraseProgress((), completed=(2,))


@pytest.mark.parametrize(("longest", "tokens"), [(2, {2}), (3, {2, 3}), (1, {2, 3})])
def test_an_extension_leaves_room_for_what_is_missing(longest: int, tokens: set[int]) -> None:
    beam = beam_of(4, [(2, 2)], longest)
    assert extended(beam, {2: -2.0, 3: -1.0}).keys() == tokens


def test_hypotheses_carry_their_progress_on() -> None:
    model, phrases = ToyModel(), ((2, 3), (3, 2))
    one, beam, texts = problem(model, torch.tensor([9])), beam_of(5, list(phrases)), [()]
    slots: Slots | None = first_slots(one, lines=1, width=5)
    while slots is not None:
        slots, choice = advance(one, beam, slots)
        kept = zip(choice.parent[0].tolist(), choice.token[0].tolist(), choice.total[0].tolist(), strict=True)
        extended = [((*texts[parent], token), total) for parent, token, total in kept if total > -torch.inf]
        for text, total in extended:
            following = [model.next(0, text[:n])[token] for n, token in enumerate(text)]
            assert total == pytest.approx(sum(following))
        texts = [text for text, _ in extended if text[-1] != EOS]
        for text, progress in zip(texts, beam.progress[0], strict=True):
            expected = PhraseProgress(phrases)
            for token in text:
                expected = expected.after(token, inside=token == 4)
            assert progress == expected
        slots = narrow(slots, 1)


def holds(tokens: tuple[int, ...], phrases: list[tuple[int, ...]]) -> bool:
    """Whether phrases are in an output, each with tokens of its own."""
    left = list(tokens)
    for phrase in sorted(phrases, key=len, reverse=True):
        places = [place for place in range(len(left)) if tuple(left[place : place + len(phrase)]) == phrase]
        if not places:
            return False
        left[places[0] : places[0] + len(phrase)] = [BOS]
    return True


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("required", [[(2,), (4, 3)], [(3, 3, 3)], [(4,), (4,), (2, 2)]])
@pytest.mark.parametrize("width", [1, 5])
def test_what_is_required_is_there(seed: int, required: list[tuple[int, ...]], width: int) -> None:
    model = ToyModel(seed)
    one, phrases = problem(model, torch.tensor([8, 8, 8, 8])), [required, [], required[:1], required]
    found = constrained_search(one, width=width, required=phrases, word_start=ALL_START)
    assert found[1] == beam_search(one, width=width)[1]
    assert find(one, DecodingConfig(beam=width), required=phrases, word_start=ALL_START) == found
    for sentence, outputs in enumerate(found):
        assert 0 < len(outputs) <= width
        for output in outputs:
            assert output.log_prob == pytest.approx(model.log_prob(sentence, output.tokens))
            assert holds(output.tokens, phrases[sentence])


def test_a_sentence_does_not_notice_the_constraints_of_others() -> None:
    model, longest, phrases = ToyModel(), torch.tensor([6, 7, 5]), [[(2, 3)], [(4,), (3,)], []]
    together = constrained_search(problem(model, longest), width=4, required=phrases, word_start=WORD_START)
    for row in range(3):
        alone = problem(model, longest[[row]], state=model.start(3).select(torch.tensor([row])))
        assert constrained_search(alone, width=4, required=[phrases[row]], word_start=WORD_START) == [together[row]]


@pytest.mark.parametrize("required", [[(4, 3)], [(2,), (3,)], [(3, 2, 3)]])
@pytest.mark.parametrize("seed", range(3))
def test_a_wide_beam_finds_the_best_output_with_what_is_required(required: list[tuple[int, ...]], seed: int) -> None:
    model = ToyModel(seed)
    (outputs,) = constrained_search(
        problem(model, torch.tensor([4])), width=400, required=[required], word_start=ALL_START
    )
    expected = [one for one in model.everything(0, 4, 1.0) if holds(one.tokens, required)]
    assert outputs[0].tokens == expected[0].tokens


def test_a_required_word_stays_a_word() -> None:
    one = problem(ToyModel(), torch.tensor([6] * 4))
    for outputs in constrained_search(one, width=5, required=[[(2,)]] * 4, word_start=WORD_START):
        for output in outputs:
            assert any(token == 2 and after != 4 for token, after in pairwise((*output.tokens, EOS)))


@pytest.mark.parametrize("beam", [1, 4])
def test_a_forced_word_may_begin_with_what_is_required(beam: int) -> None:
    # 2 4 is not the word 2.
    one = problem(ToyModel(), torch.tensor([5]), prefix=prefix_table([[2, 4]]))
    outputs = constrained_search(one, width=beam, required=[[(2,)]], word_start=WORD_START)[0]
    assert outputs
    for output in outputs:
        assert output.tokens[:2] == (2, 4)
        assert any(token == 2 and after != 4 for token, after in pairwise((*output.tokens[2:], EOS)))


@pytest.mark.parametrize("strike", [Banned((3,)), NoRepeatNgram(1)])
def test_what_cannot_be_fulfilled_ends_all_the_same(strike: object) -> None:
    one = problem(ToyModel(), torch.tensor([4]), strike)
    (outputs,) = constrained_search(one, width=3, required=[[(3, 3)]], word_start=ALL_START)
    assert outputs
    assert all(len(output.tokens) <= 4 for output in outputs)


def test_nothing_continues_a_required_word_unless_nothing_else_is_allowed() -> None:
    values, slots = (
        torch.tensor([[-torch.inf, -4.0, -2.0, -3.0, -1.0]]),
        first_slots(problem(ToyModel()), lines=1, width=4),
    )

    def chosen(progress: PhraseProgress) -> list[int]:
        beam = beam_of(4, [(2,)])
        beam.progress = [[progress]]
        choice = beam.choose(Scores(values, None), slots.keep(torch.tensor([0]), torch.tensor([0]), 1))
        return sorted(choice.token[choice.total > -torch.inf].tolist())

    assert chosen(PhraseProgress(((2,),))) == [2, 3, 4]
    assert chosen(PhraseProgress((), completed=(2,))) == [EOS, 2, 3]
    values[:, :4] = -torch.inf
    assert chosen(PhraseProgress((), completed=(2,))) == [4]
