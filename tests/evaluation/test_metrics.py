"""Scores are sacreBLEU's own, with interval and signature, and JSON can hold them."""

import json
from dataclasses import asdict

import sacrebleu

from seq2seq.evaluation.metrics import bleu, corpus_scores
from seq2seq.reports.model_card import _cell

HYPOTHESES = [f"the cat number {n} sat on the mat ." for n in range(40)]
TEXTS = [f"the cat number {n} sat on {'a' if n % 3 else 'the'} mat ." for n in range(40)]
REFERENCES = [[text] for text in TEXTS]


def test_scores_equal_sacrebleu_and_carry_its_signature() -> None:
    scores = corpus_scores(HYPOTHESES, REFERENCES)
    assert scores["bleu"].score == sacrebleu.corpus_bleu(HYPOTHESES, [TEXTS]).score == bleu(HYPOTHESES, REFERENCES)
    assert scores["chrf"].score == sacrebleu.corpus_chrf(HYPOTHESES, [TEXTS]).score
    assert scores["ter"].score == sacrebleu.corpus_ter(HYPOTHESES, [TEXTS]).score
    for score in scores.values():
        assert score.low <= score.score <= score.high
        assert f"version:{sacrebleu.__version__}" in score.signature
    json.dumps({name: asdict(score) for name, score in scores.items()})


def test_perfect_output_has_perfect_scores() -> None:
    scores = corpus_scores(TEXTS, REFERENCES)
    assert round(scores["bleu"].score) == 100
    assert round(scores["ter"].score) == 0


def test_outputs_that_match_nothing_or_are_empty_can_be_scored() -> None:
    for hypotheses in (["", "", "a"], ["x", "", "y"]):
        scores = corpus_scores(hypotheses, [["a b c d"], [""], ["a"]])
        assert all(type(score.low) is float for score in scores.values())


def test_several_references_as_many_as_there_are() -> None:
    more = [[text, "the cat sat"] if n % 2 else [text] for n, text in enumerate(TEXTS)]
    expected = sacrebleu.corpus_bleu(HYPOTHESES, [TEXTS, [own[1] if len(own) > 1 else None for own in more]])
    assert corpus_scores(HYPOTHESES, more)["bleu"].score == bleu(HYPOTHESES, more) == expected.score


def test_a_cell_cannot_break_the_table() -> None:
    assert _cell("a|b\n<script>\\") == "a\\|b &lt;script>\\\\"
