"""Which targets are labels, and which is taken for which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.metrics.labels import are_labels, confusion


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        ([["pos"], ["neg"]] * 4, True),
        ([["pos"]] * 4, True),
        ([["pos"], ["neg"]] * 3, False),  # too few of each to tell
        ([["very good"], ["bad"]] * 9, False),
        ([["pos", "neg"]] * 9, False),
        ([["pos"], [""]] * 9, False),
        ([[str(number)] for number in range(40)] * 4, True),
        ([[str(number)] for number in range(51)] * 9, False),
        ([[str(number)] for number in range(400)], False),  # numbers are no labels
    ],
)
def test_labels_are_single_words_of_few_kinds(references: list[list[str]], expected: bool) -> None:
    assert are_labels(references) is expected


labels = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "a b", ""])), min_size=1)


@given(labels)
def test_a_table_counts_each_sentence_once_where_it_belongs(pairs: list[tuple[str, str]]) -> None:
    found = confusion([output for _, output in pairs], [[label] for label, _ in pairs])
    assert found.labels == tuple(sorted({label for label, _ in pairs}))
    for label, row in zip(found.labels, found.counts, strict=True):
        for column, output in enumerate(found.labels):
            assert row[column] == pairs.count((label, output))
        assert sum(row) == sum(one == label for one, _ in pairs)
        assert len(row) == len(found.labels) + 1
    assert found.accuracy == sum(label == output for label, output in pairs) / len(pairs)
