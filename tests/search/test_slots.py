"""Slots between two steps: how they begin, and what stays when lines and slots leave."""

from dataclasses import replace

import torch
from toy_search import BOS, History, ToyModel, problem

from seq2seq.search.rules import NoRepeatNgram
from seq2seq.search.slots import Slots, first_slots

LENGTHS = torch.tensor([5, 8, 1])


def numbered() -> Slots[History]:
    """Three lines of two slots; every tensor says which row it is."""
    rows = torch.arange(6)
    return Slots(
        state=History(rows),
        token=rows.view(3, 2),
        total=-rows.double().view(3, 2),
        room=torch.tensor([7, 8, 9]),
        line=torch.arange(3),
        step=torch.tensor(4),
        tokens=rows.view(6, 1) * 10,
        numbers=rows.view(6, 1) * 100,
        row=torch.tensor([1, 0, 3, 3, 4, 5]),
    )


def test_a_line_begins_with_the_state_of_its_sentence() -> None:
    slots = first_slots(problem(ToyModel(), LENGTHS), lines=2, width=4, live=3)
    assert slots.state.code.tolist() == [code for code in (0, 11, 22) for _ in range(2 * 3)]
    assert slots.token.tolist() == [[BOS] * 3] * 6
    assert not slots.total.any()
    assert slots.room.tolist() == [4] * 6
    assert slots.tokens is None


def test_tokens_are_kept_where_a_rule_looks_back() -> None:
    slots = first_slots(problem(ToyModel(), LENGTHS, NoRepeatNgram(2)), lines=1, width=4, live=2)
    assert slots.tokens is not None
    assert slots.tokens.shape == (6, 0)


def test_rows_come_into_the_order_of_their_slots_once() -> None:
    settled = numbered().settled()
    assert settled.state.code.tolist() == [1, 0, 3, 3, 4, 5]
    assert (settled.tokens.flatten() / 10).tolist() == (settled.numbers.flatten() / 100).tolist() == [1, 0, 3, 3, 4, 5]
    assert settled.token.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert settled.settled() is settled


def test_what_stays_keeps_its_rows_and_its_number() -> None:
    kept = numbered().keep(torch.tensor([0, 2]), torch.tensor([0, 2]), 1)
    assert kept.token.tolist() == [[0], [4]]
    assert kept.total.tolist() == [[0.0], [-4.0]]
    assert (kept.room.tolist(), kept.line.tolist()) == ([7, 9], [0, 2])
    assert kept.settled().state.code.tolist() == [1, 4]


def test_empty_slots_have_no_row_once_they_are_packed() -> None:
    slots = replace(numbered(), row=None)
    assert slots.rows().tolist() == [[0, 1], [2, 3], [4, 5]]
    slots.total[0, 1] = slots.total[2, 0] = slots.total[2, 1] = -torch.inf
    packed = slots.packed()
    assert packed.by_row(packed.token).tolist() == [0, 2, 3]
    assert [packed.rows()[0, 0].item(), *packed.rows()[1].tolist()] == [0, 1, 2]
    values = packed.by_slot(torch.tensor([7, 8, 9]))
    assert [values[0, 0].item(), *values[1].tolist()] == [7, 8, 9]
    assert packed.settled().state.code.tolist() == [0, 2, 3]
    assert replace(slots, row=torch.tensor([5, 4, 3, 2, 1, 0])).packed().settled().state.code.tolist() == [5, 3, 2]


def test_sentences_leave_the_state() -> None:
    asked = []

    class Asked(History):
        def select(self, rows: torch.Tensor, sources: torch.Tensor | None = None) -> History:
            asked.append(sources)
            return super().select(rows, sources)

    settled = Slots(
        Asked(torch.arange(2)), *(torch.zeros(2, 1),) * 2, torch.ones(2), torch.arange(2), torch.tensor(0)
    ).keep(torch.tensor([1]), torch.tensor([1]), 1)
    assert settled.settled().state.code.tolist() == [1]
    assert [sources.tolist() for sources in asked] == [[1]]
