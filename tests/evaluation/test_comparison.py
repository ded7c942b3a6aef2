"""A comparison says what the sacrebleu command says of the same files."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import stdev

import pytest

from seq2seq.config import EvaluationConfig
from seq2seq.config.evaluation import Tokeniser
from seq2seq.evaluation.comparison import compare_systems
from seq2seq.evaluation.systems import System, Systems, systems_of_files
from seq2seq.metrics.scores import corpus_scores

ENGLISH = [
    "The cat (black) sat on the mat, didn't it?",
    "It costs $1,000.50 – a lot!",
    "",
    "A small dog ran fast over the hill.",
    "“Quotes” and semi-colons; all here.",
]
CHINESE = ["黑猫坐在垫子上,对吗?", "这个要1000元。", "小狗很快地跑过了山。", "", "今天天气很好,我们去公园吧。"]


def damaged(texts: list[str], every: int) -> list[str]:
    """The texts without each n-th character."""
    return ["".join(letter for place, letter in enumerate(text, 1) if place % every) for text in texts]


def command(folder: Path, references: list[str], system: str, tokenizer: str) -> dict[str, float]:
    names = [*references, "-i", system, "-m", "bleu", "chrf", "ter", "-tok", tokenizer, "--force", "-w", "6"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *names], cwd=folder, capture_output=True, check=True, text=True
    )
    return {row["name"]: row["score"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize("tokenizer", ["13a", "zh", "char"])
@pytest.mark.parametrize("several", [False, True])
def test_scores_are_those_of_the_sacrebleu_command(tokenizer: Tokeniser, several: bool, tmp_path: Path) -> None:
    texts = ENGLISH if tokenizer == "13a" else CHINESE
    # The command would count an empty second reference; in our files it stands for none.
    second = [f"{text} x" for text in damaged(texts, 5)]
    contents = {"ref1": texts, "ref2": second, "a": damaged(texts, 9), "b": damaged(texts, 4), "c": texts[::-1]}
    for name, lines in contents.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    references = ["ref1", "ref2"] if several else ["ref1"]
    files = systems_of_files(
        None, [tmp_path / name for name in references], [tmp_path / name for name in ("a", "b", "c")]
    )
    evaluation = EvaluationConfig(tokenize=tokenizer, metrics=("bleu", "chrf"))
    found = compare_systems(replace(files, evaluation=evaluation))
    for number, system in enumerate(("a", "b", "c")):
        expected = command(tmp_path, references, system, tokenizer)
        assert found.results["bleu"][number].score.score == pytest.approx(expected["BLEU"], abs=1e-5)
        assert found.results["chrf"][number].score.score == pytest.approx(expected["chrF2"], abs=1e-5)
        assert f"tok:{tokenizer}|" in found.results["bleu"][number].score.signature


def systems(*outputs: list[list[str]]) -> Systems:
    named = [System(f"system {number}", runs) for number, runs in enumerate(outputs)]
    return Systems(None, [[text] for text in ENGLISH * 4], named, EvaluationConfig())


BASE, NEAR, FAR = (damaged(ENGLISH * 4, every) for every in (9, 8, 3))


def test_a_result_is_that_of_an_evaluation() -> None:
    found = compare_systems(systems([BASE]))
    expected = corpus_scores(BASE, [[text] for text in ENGLISH * 4], EvaluationConfig())
    assert found.results.keys() == expected.keys()
    for name, score in expected.items():
        assert found.results[name][0].score == replace(score, note="")
        assert found.results[name][0].significance is None
        assert found.results[name][0].deviation is None


def test_differences_are_to_the_first_system() -> None:
    found = compare_systems(systems([BASE], [FAR], [BASE])).results["bleu"]
    assert found[1].significance is not None
    assert found[1].significance.difference == pytest.approx(found[1].score.score - found[0].score.score)
    assert found[1].significance.bootstrap < 0.05
    assert found[2].significance is None


def test_several_seeds_are_one_result_with_a_deviation() -> None:
    alone = [compare_systems(systems([one])).results["chrf"][0].score.score for one in (BASE, NEAR, FAR)]
    found = compare_systems(systems([BASE], [BASE, NEAR, FAR])).results["chrf"][1]
    assert found.runs == pytest.approx(alone)
    assert found.deviation == pytest.approx(stdev(alone))
    assert min(alone) < found.score.score < max(alone)


def test_chrf_judges_where_bleu_means_nothing() -> None:
    labels = Systems(None, [["yes"], ["no"]], [System("a", [["yes", "yes"]])], EvaluationConfig())
    assert compare_systems(labels).main_metric == "chrf"
    assert compare_systems(systems([BASE])).main_metric == "bleu"
    without = replace(systems([BASE]), evaluation=EvaluationConfig(metrics=("ter",)))
    assert compare_systems(without).main_metric == "chrf"


def test_ter_is_left_out_where_a_line_would_take_it_hours(capsys: pytest.CaptureFixture[str]) -> None:
    long = Systems(None, [["word " * 3000], ["b"]], [System("a", [["a", "b"]])], EvaluationConfig())
    assert "ter" not in compare_systems(long).results
    assert "TER is left out" in capsys.readouterr().err
