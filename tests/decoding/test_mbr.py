"""Minimum Bayes risk: utilities are sacreBLEU's sentence scores, and the output in the middle wins."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from seq2seq.config import DecodingConfig, EvaluationConfig
from seq2seq.decoding.mbr import expected_utilities, weights_of_list
from seq2seq.decoding.outputs import Translation, least_risk
from seq2seq.metrics.criterion import Criterion
from seq2seq.metrics.edits import ErrorRate


def judged(metric: str, **settings: Any) -> Criterion:
    return Criterion(metric, EvaluationConfig(**({"tokenize": "13a"} | settings)))


def test_least_risk_takes_the_one_in_the_middle() -> None:
    texts = ["the cat sat", "the cat sat down", "a dog ran", "the cat sat here"]
    for metric in ("bleu", "chrf", "cer", "wer"):
        utilities = expected_utilities(texts, [0.25] * 4, judged(metric))
        assert max(zip(utilities, texts, strict=True))[1] != "a dog ran"
        assert min(zip(utilities, texts, strict=True))[1] == "a dog ran"
    assert weights_of_list([0.0, 0.0]) == [0.5, 0.5]
    assert sum(weights_of_list([-700.0, -3.0, -4.0])) == pytest.approx(1.0)


@given(
    texts=st.lists(st.text("abA .,", max_size=16), min_size=1, max_size=5, unique=True),
    name=st.sampled_from(["bleu", "chrf", "cer", "wer"]),
    lowercase=st.booleans(),
)
@settings(max_examples=120, deadline=None)
def test_utilities_are_sentence_scores(texts: list[str], name: str, lowercase: bool) -> None:
    metric = {
        "bleu": BLEU(effective_order=True, lowercase=lowercase),
        "chrf": CHRF(lowercase=lowercase),
        "cer": ErrorRate("character", lowercase=lowercase),
        "wer": ErrorRate("word", lowercase=lowercase),
    }[name]
    sign = -1 if name in ("cer", "wer") else 1
    weights = [(place + 1) / sum(range(1, len(texts) + 1)) for place in range(len(texts))]
    expected = [
        sign
        * sum(weight * metric.sentence_score(text, [other]).score for other, weight in zip(texts, weights, strict=True))
        for text in texts
    ]
    assert expected_utilities(texts, weights, judged(name, lowercase=lowercase)) == pytest.approx(expected)


def test_the_utility_of_labels_is_their_probability() -> None:
    assert expected_utilities(["a", "b", "A"], [0.2, 0.5, 0.3], judged("exact-match")) == pytest.approx([20, 50, 30])
    lowercased = expected_utilities(["a", "b", "A"], [0.2, 0.5, 0.3], judged("exact-match", lowercase=True))
    assert lowercased == pytest.approx([50, 50, 50])


def test_bleu_sees_the_words_of_a_script_without_spaces() -> None:
    texts = ["一二三四五", "一二三四六", "七八九"]
    first, second, other = expected_utilities(texts, [1 / 3] * 3, judged("bleu", tokenize="auto"))
    assert first == second > other


def test_what_is_drawn_often_weighs_more() -> None:
    outputs = [Translation(text, 0.0, (), ()) for text in ["a b c", *["x y z"] * 3]]
    best, other = least_risk(outputs, DecodingConfig(sample=True, mbr=4), judged("chrf"))
    assert (best.text, best.score) == ("x y z", pytest.approx(75.0))
    assert other.score == pytest.approx(25.0)
