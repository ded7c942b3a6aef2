"""Scores are those of sacreBLEU's own command, with its interval and signature; references may be uneven in number."""

import json
import logging
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import _bootstrap_resample

from seq2seq.config import EvaluationConfig
from seq2seq.metrics.scores import Score, corpus_score, corpus_scores, exact_match, reference_streams

HYPOTHESES = [f"the cat number {n} sat on the mat ." for n in range(40)]
TEXTS = [f"the cat number {n} sat on {'a' if n % 3 else 'the'} mat ." for n in range(40)]
REFERENCES = [[text] for text in TEXTS]

PLAIN = EvaluationConfig(tokenize="13a", metrics=("bleu", "chrf", "ter"))


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    return corpus_score("bleu", hypotheses, references, PLAIN)


def plain_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    return corpus_scores(hypotheses, references, PLAIN)


texts = st.lists(st.sampled_from(["red", "Red", "blue", "dog", "cat."]), min_size=0, max_size=6).map(" ".join)
several_references = st.lists(st.lists(texts, min_size=1, max_size=4), min_size=1, max_size=5)


@pytest.mark.parametrize("count", [1, 2])
def test_scores_are_those_of_the_sacrebleu_command(count: int, tmp_path: Path) -> None:
    generator = random.Random(count)
    words = ["It’s", "a", "small", "dog,", "he", "said.", "(twice)", "naïve", "3.5%"]
    hypotheses, *streams = (
        [" ".join(generator.choices(words, k=generator.randint(4, 9))) for _ in range(30)] for _ in range(count + 1)
    )
    paths = [tmp_path / f"reference {number}" for number in range(count)]
    for path, lines in zip([*paths, tmp_path / "hypotheses"], [*streams, hypotheses], strict=True):
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    command = [sys.executable, "-m", "sacrebleu", *map(str, paths), "--input", str(tmp_path / "hypotheses")]
    command += ["--metrics", "bleu", "chrf", "ter", "--confidence", "--width", "12"]
    expected = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=120).stdout)

    scores = plain_scores(hypotheses, list(zip(*streams, strict=True)))
    assert list(scores) == ["bleu", "chrf", "ter"]
    for score, printed in zip(scores.values(), expected, strict=True):
        assert score.score == pytest.approx(printed["score"], abs=1e-9)
        assert (score.high - score.low) / 2 == pytest.approx(printed["confidence_var"], rel=0.01)
        assert score.signature == printed["signature"]
    assert bleu(hypotheses, list(zip(*streams, strict=True))) == scores["bleu"].score


def test_scores_have_intervals_and_are_what_json_holds() -> None:
    scores = plain_scores(HYPOTHESES, REFERENCES)
    for score in scores.values():
        assert score.low < score.score < score.high
        assert f"version:{sacrebleu.__version__}" in score.signature
        assert "|bs:1000|" in f"|{score.signature}|"
        assert {type(value) for value in (score.score, score.low, score.high)} == {float}
    json.dumps({name: asdict(score) for name, score in scores.items()})


def few(seed: int) -> tuple[list[str], list[list[str]]]:
    """One to five outputs with references, from nothing right to everything."""
    chance = random.Random(seed)
    words = ["the", "cat", "sat", "on", "a", "mat", "."][: chance.randint(1, 7)]
    references = [" ".join(chance.choices(words, k=chance.randint(0, 9))) for _ in range(chance.randint(1, 5))]
    wrong = [" ".join(chance.choices(words, k=chance.randint(0, 20))) for _ in references]
    hypotheses = [chance.choice(pair) for pair in zip(references, wrong, strict=True)]
    return hypotheses, [[text] for text in references]


@pytest.mark.parametrize("seed", range(20))
def test_intervals_lie_inside_the_scale(seed: int) -> None:
    scores = plain_scores(*few(seed))
    for name, top in (("bleu", 100), ("chrf", 100), ("ter", float("inf"))):
        assert -1e-9 <= scores[name].low <= scores[name].high <= top + 1e-9
        if len(few(seed)[0]) == 1:
            assert scores[name].low == pytest.approx(scores[name].score) == scores[name].high


@pytest.mark.parametrize("count", [3, 40])
def test_an_interval_holds_the_middle_of_the_scores_that_sacrebleu_resamples(count: int) -> None:
    hypotheses, references = HYPOTHESES[:count], REFERENCES[:count]
    scores = plain_scores(hypotheses, references)
    assert plain_scores(hypotheses, references) == scores
    for name, metric in (("bleu", BLEU()), ("chrf", CHRF()), ("ter", TER())):
        statistics = metric._extract_corpus_statistics(hypotheses, reference_streams(references))
        _, resampled = _bootstrap_resample(statistics, metric, 1000)
        expected = np.percentile([float(result.score) for result in resampled], [2.5, 97.5])
        assert (scores[name].low, scores[name].high) == pytest.approx(tuple(expected), abs=1e-3)


def test_more_sentences_narrow_the_interval() -> None:
    few, many = plain_scores(HYPOTHESES, REFERENCES), plain_scores(HYPOTHESES * 4, REFERENCES * 4)
    for name in few:
        assert few[name].score == pytest.approx(many[name].score, abs=1e-9)
        # The standard error falls with the root of the number of sentences.
        ratio = (few[name].high - few[name].low) / (many[name].high - many[name].low)
        assert ratio == pytest.approx(2, rel=0.2)


def test_an_output_equal_to_its_reference_is_perfect() -> None:
    scores = plain_scores(TEXTS, REFERENCES)
    assert [scores[name].score for name in ("bleu", "chrf", "ter")] == pytest.approx([100, 100, 0])
    for score in scores.values():
        assert score.low == pytest.approx(score.high)


def test_outputs_that_match_nothing_or_are_empty_can_be_scored() -> None:
    for hypotheses in (["", "", "a"], ["x", "", "y"]):
        scores = plain_scores(hypotheses, [["a b c d"], [""], ["a"]])
        assert all(type(score.low) is float for score in scores.values())


def test_text_that_looks_tokenised_raises_no_warning_in_validation(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bleu(HYPOTHESES * 3, REFERENCES * 3)
    assert caplog.records == []


@given(several_references)
def test_streams_transpose_uneven_references(references: list[list[str]]) -> None:
    streams = reference_streams(references)
    assert len(streams) == max(map(len, references))
    for number, row in enumerate(references):
        assert [stream[number] for stream in streams] == row + [None] * (len(streams) - len(row))


@settings(max_examples=25, deadline=None)
@given(several_references, st.data())
def test_a_missing_reference_is_worth_as_much_as_one_repeated(references: list[list[str]], data: st.DataObject) -> None:
    hypotheses = [data.draw(texts) for _ in references]
    most = max(map(len, references))
    repeated = [row + row[:1] * (most - len(row)) for row in references]
    assert bleu(hypotheses, references) == pytest.approx(bleu(hypotheses, repeated))


def test_uneven_references_count_in_every_score() -> None:
    uneven = [[text, "the cat sat"] if n % 2 else [text] for n, text in enumerate(TEXTS)]
    repeated = [row if len(row) == 2 else row * 2 for row in uneven]
    scores, expected = plain_scores(HYPOTHESES, uneven), plain_scores(HYPOTHESES, repeated)
    for name, score in scores.items():
        assert score.score == pytest.approx(expected[name].score)
        assert score.signature.startswith("nrefs:var|")
    better = plain_scores(HYPOTHESES, [[*row, text] for row, text in zip(REFERENCES, HYPOTHESES, strict=True)])
    assert [better[name].score for name in ("bleu", "chrf", "ter")] == pytest.approx([100, 100, 0])


@given(several_references, st.data())
def test_exact_match_is_the_share_of_outputs_among_their_references(
    references: list[list[str]], data: st.DataObject
) -> None:
    right = [data.draw(st.booleans()) for _ in references]
    hypotheses = [
        data.draw(st.sampled_from(row)) if match else "green" for row, match in zip(references, right, strict=True)
    ]
    assert exact_match(hypotheses, references, PLAIN) == np.mean(right)


def test_exact_match_is_of_whole_texts_as_they_are() -> None:
    assert exact_match(["dog", "Dog", "a dog", "", " dog"], [["dog"]] * 5, PLAIN) == 1 / 5
    with pytest.raises(ValueError, match="longer"):
        exact_match(["dog"], [["dog"], ["cat"]], PLAIN)
