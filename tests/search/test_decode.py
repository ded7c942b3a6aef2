"""A step never makes the host wait; between steps what is done leaves the batch."""

from dataclasses import replace

import pytest
import torch
from no_sync import no_sync
from torch import Tensor
from toy_search import ALL_START, EOS, VOCAB, History, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.search import decode
from seq2seq.search.beam import Beam, beam_search
from seq2seq.search.decode import narrow
from seq2seq.search.rules import Bigrams, BlockedPhrases, MinLength, NoRepeatNgram, prefix_table
from seq2seq.search.sampling import Sampling
from seq2seq.search.slots import first_slots
from seq2seq.search.step import Method, advance

LONGEST = torch.tensor([5, 2, 7, 7])
RULES = [
    MinLength(torch.tensor([2, 1, 0, 3]), EOS),
    NoRepeatNgram(2),
    BlockedPhrases(((4, 2), (3,)), torch.tensor([True, True, True, False, True]), ALL_START, LONGEST),
    Bigrams(torch.tensor([0, 0, 1, 0, 1]), torch.rand(3, VOCAB, generator=torch.Generator().manual_seed(1)) < 0.2),
]


@pytest.mark.parametrize("strikes", [(), *((rule,) for rule in RULES), RULES], ids=str)
@pytest.mark.parametrize("prefix", [None, [[2, 3], [], [4], []]])
@pytest.mark.parametrize(
    "method",
    [Beam(1), Beam(3), Beam(2, lines=3, diversity=0.7), Sampling(), Sampling(top_k=2, top_p=0.9, temperature=0.5)],
    ids=str,
)
def test_a_step_does_not_make_the_host_wait(method: Method, strikes: tuple[object, ...], prefix: object) -> None:
    one = problem(ToyModel(), LONGEST, *strikes, prefix=None if prefix is None else prefix_table(prefix))
    slots = first_slots(one, lines=method.lines, width=3, live=3 if isinstance(method, Sampling) else 1)
    if isinstance(method, Sampling):
        slots = replace(slots, numbers=torch.rand(12, 8))
    with no_sync():
        for _ in range(8):
            slots, _ = advance(one, method, slots)
    assert narrow(slots, method.lines) is None


class Counts(ToyModel):
    """Notes the rows of each step."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(seed)
        self.rows: list[int] = []

    def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
        self.rows.append(len(token))
        return super().step(token, state)


@pytest.mark.parametrize("width", [1, 3])
def test_what_is_done_leaves_the_batch(width: int) -> None:
    model = Counts()
    one = problem(model, torch.tensor([1, 1, 6]), MinLength(torch.tensor([0, 0, 6]), EOS))
    beam_search(one, width=width)
    # The two short ones end after two steps at the latest, and the long one not before its seventh.
    assert model.rows[0] == 3
    assert model.rows[2:] == [width] * 5


@pytest.mark.parametrize("is_loose", [True, False])
def test_slots_that_no_line_fills_leave_too(is_loose: bool) -> None:
    model = Counts(1)
    one = problem(model, torch.tensor([8]), state=History(model.start(1).code, is_loose))
    outputs = beam_search(one, width=4)[0]
    live = [4 - sum(len(one.tokens) + 1 <= step for one in outputs) for step in range(1, len(model.rows))]
    assert model.rows[2:] == live[1:]
    assert len(set(live)) > 2


@pytest.mark.parametrize(
    "options",
    [{"beam": 1}, {"beam": 4}, {"beam": 6, "diverse_groups": 3, "diversity": 0.8}, {"sample": True, "top_k": 3}],
    ids=str,
)
@pytest.mark.parametrize("required", [(), [[(2,)], [], [(3, 4)], [(2, 2)]]])
def test_rows_of_empty_slots_change_nothing(options: dict[str, object], required: list[list[tuple[int, ...]]]) -> None:
    """Where hypotheses of a sentence share something, empty slots keep their rows."""
    rows = []
    found = []
    for is_loose in (True, False):
        model = Counts(2)
        state = History(model.start(4).code, is_loose)
        one = problem(model, LONGEST, RULES[0], state=state)
        found.append(find(one, DecodingConfig(**options), required=required, word_start=ALL_START))
        rows.append(sum(model.rows))
    assert found[0] == found[1]
    assert (rows[0] < rows[1]) == (options != {"beam": 1})


@pytest.mark.parametrize(
    "options", [{"beam": 1}, {"beam": 4}, {"beam": 4, "diverse_groups": 2}, {"sample": True}], ids=str
)
@pytest.mark.parametrize("required", [(), [[(2,)], [], [(3, 4)], [(2, 2)]]])
def test_steps_after_the_end_change_nothing(
    options: dict[str, object], required: list[list[tuple[int, ...]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = problem(ToyModel(3), LONGEST, *RULES[:2], prefix=prefix_table([[2, 3], [], [4], []]))
    expected = find(one, DecodingConfig(**options), required=required, word_start=ALL_START)
    for period in (3, 8):
        monkeypatch.setattr(decode, "_period", lambda device, period=period: period)
        assert find(one, DecodingConfig(**options), required=required, word_start=ALL_START) == expected
