"""Recorded steps against plain ones. Without a GPU they are not recorded, but all else is the same."""

from dataclasses import replace

import pytest
import torch
from no_sync import no_sync
from toy_search import EOS, VOCAB, History, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.graphs import Recorder
from seq2seq.search.recorded import Recordings, _rounded
from seq2seq.search.rules import Bigrams, MinLength, NoRepeatNgram, prefix_table

KINDS = [
    {"beam": 1},
    {"beam": 3},
    {"beam": 25},
    {"beam": 6, "diverse_groups": 3, "diversity": 1.5},
    {"sample": True},
    {"sample": True, "top_k": 2, "temperature": 0.7},
]
LONGEST = torch.tensor([12, 3, 9, 0, 7, 12, 5])
SHORTEST = MinLength(torch.tensor([8, 1, 0, 0, 5, 12, 2]), EOS)
BARRED = Bigrams(torch.tensor([0, 0, 1, 2, 1]), torch.rand(4, VOCAB, generator=torch.Generator().manual_seed(5)) < 0.2)
BARRED.barred[:, EOS] = False
PREFIX = prefix_table([[2, 3], [], [4, 4, 4, 2], [], [], [3], [2]])


def recordings(steps: int, most: int = 16) -> Recordings:
    return Recordings(Recorder(torch.device("cpu")), steps=steps, most=most)


@pytest.mark.parametrize("options", [DecodingConfig(**kind) for kind in KINDS], ids=map(str, KINDS))
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_recorded_steps_find_what_plain_ones_find(options: DecodingConfig, steps: int) -> None:
    model, kept = ToyModel(), recordings(steps)
    for strikes, prefix in (((), None), ((SHORTEST,), PREFIX), ((BARRED, SHORTEST), None), ((NoRepeatNgram(2),), None)):
        for order in ([0, 1, 2, 3, 4, 5, 6], [6, 5, 3], [5]):
            one = problem(model, LONGEST[order], state=model.start(7).select(torch.tensor(order)))
            strikes = tuple(
                replace(rule, shortest=rule.shortest[order]) if rule is SHORTEST else rule for rule in strikes
            )
            rules = replace(
                one.rules, strikes=[*one.rules.strikes, *strikes], prefix=None if prefix is None else prefix[order]
            )
            one = replace(one, rules=rules)
            expected = find(one, options)
            assert all(expected)
            assert find(replace(one, recordings=kept), options) == expected


class Counting(Recorder):
    """Counts recordings."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.count = 0

    def record(self, work):
        self.count += 1
        return super().record(work)


def test_steps_of_the_same_shapes_are_recorded_once_and_the_oldest_is_dropped() -> None:
    model, recorder, beam = ToyModel(), Counting(), DecodingConfig(beam=3)
    kept = Recordings(recorder, steps=8, most=2)

    def search(count: int, options: DecodingConfig = beam) -> int:
        one = problem(model, torch.tensor([9] * count))
        assert find(replace(one, recordings=kept), options) == find(one, options)
        return recorder.count

    assert search(4) == 1
    # Other lengths and rows that are done need no recording of their own; another width and number of rows do.
    assert search(4) == search(4) == 1
    assert search(6) == 2
    assert search(5) == search(6) == 2
    assert search(6, DecodingConfig(beam=4)) == 3
    # Two are kept, so the first is made again.
    assert search(6) == 3
    assert search(4) == 4


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        # A plain step; all go on; after four steps two are left, for 20 tokens and some more up to the next question.
        ([19, 19, 3, 3, 3, 3, 3, 3, 3], [9] + [12] * 4 + [2] * 16),
        # Six of eight are too many to leave, two are not.
        ([19, 19, 7, 7, 7, 7, 3, 3], [8] + [8] * 8 + [2] * 12),
        # What fills up is done.
        ([19, 3, 3, 3, 3], [5] + [6] * 4 + [1] * 16),
    ],
)
def test_sentences_leave_when_half_of_them_are_done(lengths: list[int], expected: list[int]) -> None:
    sizes = []

    class Sizes(ToyModel):
        def step(self, token, state):
            sizes.append(len(token))
            return super().step(token, state)

    longest = torch.tensor(lengths)
    one = problem(Sizes(), longest, MinLength(longest, EOS), state=ToyModel().start(len(lengths)))
    find(replace(one, recordings=recordings(4)), DecodingConfig(beam=1))
    assert sizes == expected


@pytest.mark.parametrize(
    ("count", "expected"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (7, 8), (9, 12), (13, 16), (300, 384)]
)
def test_numbers_of_sentences_are_few(count: int, expected: int) -> None:
    assert _rounded(count) == expected


def test_steps_do_not_make_the_host_wait() -> None:
    kept = recordings(3)
    find(replace(problem(ToyModel(), LONGEST, SHORTEST), recordings=kept), DecodingConfig(beam=3))
    for recording in kept._kept.values():
        with no_sync():
            recording.run(3)
    assert len(kept._kept) > 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("options", [DecodingConfig(**kind) for kind in KINDS], ids=map(str, KINDS))
def test_a_gpu_repeats_what_it_recorded(options: DecodingConfig) -> None:
    device = torch.device("cuda")
    model, kept = ToyModel(), Recordings(Recorder(device), steps=3)
    expected = find(problem(model, LONGEST, SHORTEST), options)
    model.logits = model.logits.to(device)
    state = History(model.start(7).code.to(device))
    one = problem(model, LONGEST.to(device), replace(SHORTEST, shortest=SHORTEST.shortest.to(device)), state=state)
    for _ in range(3):
        found = find(replace(one, recordings=kept), options)
        assert [[output.tokens for output in outputs] for outputs in found] == [
            [output.tokens for output in outputs] for outputs in expected
        ]
    assert kept._kept
