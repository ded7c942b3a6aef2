"""Caption metrics: the numbers of the COCO evaluation, and what must hold of any captions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.metrics.captions import bleu_by_order, caption_scores, caption_words, cider_d

HYPOTHESES = [
    "a dog runs on the grass",
    "two men play football",
    "a red car",
    "a child in a blue shirt jumps into the water near the beach",
]
REFERENCES = [
    ["a brown dog runs through the grass", "a dog is running on green grass", "the dog runs"],
    ["two men are playing football in a park", "men play football"],
    ["a red car is parked in front of a house", "an old red car", "a car that is red"],
    ["a boy jumps into the sea", "a child wearing blue jumps into the water", "the kid is swimming"],
]


def test_cider_d_is_that_of_the_coco_evaluation() -> None:
    # pycocoevalcap 1.2: CiderScorer(n=4, sigma=6.0) over these captions, split at spaces.
    assert cider_d(HYPOTHESES, REFERENCES) == pytest.approx(2.3632003718272783, abs=1e-9)
    each = [2.31580052, 3.7648082, 2.14167477, 1.23051799]
    assert sum(each) / 4 == pytest.approx(2.3632003718272783)


def test_bleu_is_that_of_the_coco_evaluation() -> None:
    # pycocoevalcap 1.2: BleuScorer(n=4), option="closest".
    found = bleu_by_order(HYPOTHESES, REFERENCES)
    golden = [0.7692307692011834, 0.6477502756041175, 0.4534550397184842, 0.2856726515581237]
    assert [found[f"bleu{order}"] / 100 for order in range(1, 5)] == pytest.approx(golden, abs=1e-6)


def test_words_are_lower_case_and_without_punctuation() -> None:
    assert caption_words("\"A dog's ball isn't red,\" said a well-known man.") == [
        *("a", "dog", "'s", "ball", "is", "n't", "red", "said", "a", "well-known", "man")
    ]


def test_the_signature_says_how_many_references() -> None:
    assert caption_scores(HYPOTHESES, REFERENCES)["signature"].startswith("refs:3|case:lc|")


sentences = st.lists(st.sampled_from(["red", "blue", "dog", "cat", "runs"]), min_size=4, max_size=9).map(" ".join)


@given(st.lists(st.lists(sentences, min_size=1, max_size=3), min_size=2, max_size=5))
def test_a_reference_scores_best_in_bleu_and_order_of_pictures_changes_nothing(references: list[list[str]]) -> None:
    first = [own[0] for own in references]
    assert bleu_by_order(first, references)["bleu4"] == pytest.approx(100)
    assert 0 <= cider_d(first, references) <= 10 + 1e-9
    assert cider_d(first[::-1], references[::-1]) == pytest.approx(cider_d(first, references))
