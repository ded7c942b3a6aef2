"""What outputs are judged by: BLEU where it means something, with the tokeniser that fits."""

from dataclasses import replace
from typing import Any

import pytest

from seq2seq.config import Config, EvaluationConfig, TrainingConfig
from seq2seq.metrics.criterion import Criterion
from seq2seq.metrics.names import JUDGES, judge_of, shown_score
from seq2seq.metrics.scores import corpus_scores
from seq2seq.recipe import build_config, to_toml

SENTENCES = [["the cat sat on the mat"], ["a dog ran down the road"]]
CHINESE = [["三千二百一十"], ["九百八十七"]]
LABELS = [["pos"], ["neg"]] * 8
WORDS = [[f"word{number}"] for number in range(9)]


def config(metric: Any = "auto", **evaluation: Any) -> Config:
    training = TrainingConfig(max_updates=1, validation_metric=metric)
    return Config(training=training, evaluation=EvaluationConfig(**evaluation))


@pytest.mark.parametrize(
    ("references", "metric", "tokenize"),
    [
        (SENTENCES, "bleu", "13a"),
        (CHINESE, "bleu", "zh"),
        ([["แมวนั่งบนเสื่อ"]], "bleu", "char"),
        (LABELS, "exact-match", "13a"),
        (WORDS, "chrf", "13a"),
        (SENTENCES + WORDS[:2], "bleu", "13a"),  # half of them
        (SENTENCES * 3 + WORDS[:7], "chrf", "13a"),  # six of thirteen
        ([["one", "the cat sat on the mat"], ["two"]], "bleu", "13a"),  # one long reference of several is enough
    ],
)
@pytest.mark.parametrize("asked", ["auto", "perplexity"])
def test_auto_is_what_means_something(asked: str, references: list[list[str]], metric: str, tokenize: str) -> None:
    criterion = Criterion.of(config(asked), references)
    assert (criterion.metric, criterion.evaluation.tokenize) == (metric, tokenize)


@pytest.mark.parametrize("metric", ["bleu", "chrf", "exact-match", "cer", "wer"])
def test_what_is_asked_for_is_what_judges(metric: str) -> None:
    asked = config(metric, tokenize="intl", lowercase=True)
    criterion = Criterion.of(asked, SENTENCES)
    assert (criterion.metric, criterion.evaluation) == (metric, asked.evaluation)
    right, wrong = [text for (text,) in SENTENCES], ["the cat sat on a hat", "no dog ran up the road"]
    better, worse = (criterion.quality(criterion.score(outputs, SENTENCES)) for outputs in (right, wrong))
    assert better > worse
    assert criterion.score([text.upper() for text in right], SENTENCES) == criterion.score(right, SENTENCES)


def test_bleu_without_4_grams_judges_nothing() -> None:
    assert Criterion.of(config("bleu"), WORDS).metric == "chrf"
    assert Criterion.of(config("bleu"), LABELS).metric == "exact-match"
    assert Criterion.of(config("bleu"), [*WORDS, *SENTENCES[:1]]).metric == "bleu"


def test_the_score_is_that_of_the_evaluation() -> None:
    outputs = ["三千二百一十", "九百八十八"]
    criterion = Criterion.of(config(), CHINESE)
    assert criterion.score(outputs, CHINESE) == corpus_scores(outputs, CHINESE, EvaluationConfig())["bleu"].score
    assert criterion.score([text for (text,) in CHINESE], CHINESE) == pytest.approx(100)


def test_what_auto_became_is_a_setting_that_gives_the_same() -> None:
    for references in (SENTENCES, CHINESE, LABELS):
        first = config()
        criterion = Criterion.of(first, references)
        overrides = [f"{key}={value}" for key, value in criterion.settled(first).items()]
        again = build_config({"training": {"max_updates": 1}}, overrides)
        assert "auto" not in (again.training.validation_metric, again.evaluation.tokenize)
        assert Criterion.of_run(again) == criterion
    assert Criterion.of(config("chrf", tokenize="zh"), CHINESE).settled(config("chrf", tokenize="zh")) == {}


def test_a_run_that_leaves_it_open_is_judged_by_chrf() -> None:
    for metric in ("auto", "perplexity"):
        assert Criterion.of_run(config(metric)).metric == "chrf"
    assert Criterion.of_run(config("wer")).metric == "wer"


def test_every_judge_has_a_key_and_a_name() -> None:
    for metric in ("bleu", "chrf", "exact-match", "cer", "wer"):
        criterion = replace(Criterion.of(config(), SENTENCES), metric=metric)
        assert criterion.key in JUDGES
        assert judge_of({"perplexity": 2.0, criterion.key: 0.5, "exact_match": 0.5}) == criterion.key
    assert shown_score("exact_match", 0.975) == "exact match 97.5%"
    assert shown_score("chrf", 31.24) == "chrF2 31.2"
    assert judge_of({"perplexity": 2.0}) is None


def test_the_table_is_checked_and_written() -> None:
    tables = {"training": {"max_updates": 1}, "evaluation": {"metrics": ["chrf++", "cer"], "tokenize": "zh"}}
    found = build_config(tables)
    assert found.evaluation == EvaluationConfig(metrics=("chrf++", "cer"), tokenize="zh")
    assert 'metrics = ["chrf++", "cer"]' in to_toml(found)
