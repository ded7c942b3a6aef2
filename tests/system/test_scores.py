"""Scores that can be trusted, on made-up data where the right answer is known: Chinese numerals, and labels."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from seq2seq.evaluation.record import read_evaluation
from seq2seq.files.manifest import check_manifest
from seq2seq.runs.history import read_log
from seq2seq.training.train import train

NUMERALS = str.maketrans("0123456789", "零一二三四五六七八九")
RECIPE = """
[data]
format = "tsv"
path = "{folder}"
train = "train.tsv"
src = "1"
tgt = "2"
validation_size = 200
test_size = 200
directory = "{folder}/data"
[subword]
type = "char"
vocab_size = 400
[model]
layers = 1
hidden_size = 128
embedding_size = 64
dropout = 0.0
attention = "general"
reverse_source = false
[training]
max_updates = 300
validate_every = 100
learning_rate = 0.004
batch_tokens = 3000
seed = 1
"""


def trained(folder: Path, pairs: list[tuple[str, str]], *overrides: str) -> Path:
    (folder / "train.tsv").write_text("".join(f"{src}\t{tgt}\n" for src, tgt in pairs), encoding="utf-8")
    (folder / "recipe.toml").write_text(RECIPE.format(folder=folder), encoding="utf-8")
    return train(str(folder / "recipe.toml"), run=folder / "run", overrides=overrides, device="cpu")


@pytest.fixture(scope="module")
def numerals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    chance = random.Random(16)
    sources = {"".join(chance.choices("0123456789", k=chance.randint(4, 9))) for _ in range(21_000)}
    pairs = [(source, source.translate(NUMERALS)) for source in sorted(sources)[:20_000]]
    return trained(tmp_path_factory.mktemp("numerals"), pairs)


@pytest.mark.slow
def test_chinese_numerals_have_a_bleu_that_chooses_the_best_model(numerals: Path) -> None:
    scores = read_evaluation(numerals)
    assert scores["bleu"]["score"] >= 90
    assert "|tok:zh|" in scores["bleu"]["signature"]
    assert scores["exact_match"] >= 0.8
    manifest = check_manifest(numerals)
    assert manifest["settled"] == {"training.validation_metric": "bleu", "evaluation.tokenize": "zh"}
    validations = [entry for entry in read_log(numerals) if entry.kind == "validation"]
    best = max(validations, key=lambda entry: (entry.numbers["bleu"], -entry.numbers["perplexity"]))
    assert manifest["updates"] == best.position.updates
    assert manifest["validation"]["bleu"] == best.numbers["bleu"] > 50


@pytest.mark.slow
def test_tuning_finds_the_weight_that_makes_chinese_numerals_right(numerals: Path, tmp_path: Path) -> None:
    """Another system's lists, each with the right text somewhere, whose own order is nearly always wrong."""
    chance = random.Random(17)
    sources = ["".join(chance.choices("0123456789", k=7)) for _ in range(200)]
    references = [source.translate(NUMERALS) for source in sources]
    lists = []
    for number, right in enumerate(references):
        wrong = [right[:place] + chance.choice("零一二三四五六七八九") + right[place + 1 :] for place in range(4)]
        scores = sorted((-chance.random() for _ in range(5)), reverse=True)
        for text, score in zip([*wrong, right], scores, strict=True):
            lists.append(f"{number} ||| {text} ||| {score}\n")
    (tmp_path / "src").write_text("\n".join(sources) + "\n", encoding="utf-8")
    (tmp_path / "ref").write_text("\n".join(references) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "seq2seq", "rescore", "--model", str(numerals), "--src", str(tmp_path / "src")]
    command += ["--tune", str(tmp_path / "ref")]
    result = subprocess.run(command, input="".join(lists).encode(), capture_output=True, check=True, timeout=300)
    first: dict[str, str] = {}
    for line in result.stdout.decode().splitlines():
        number, text, *_ = line.split(" ||| ")
        first.setdefault(number, text)
    assert sum(first[str(number)] == right for number, right in enumerate(references)) >= 190
    assert b"BLEU" in result.stderr


@pytest.mark.slow
def test_labels_have_an_accuracy_and_a_confusion_table(tmp_path: Path) -> None:
    """Whether a number is divisible by two, in words: exact match chooses, and BLEU says that it means nothing."""
    chance = random.Random(18)
    numbers = sorted({chance.randrange(10**5, 10**8) for _ in range(4_000)})
    run = trained(tmp_path, [(str(number), "odd" if number % 2 else "even") for number in numbers])
    scores = read_evaluation(run)
    labels = scores["labels"]
    assert labels["labels"] == ["even", "odd"]
    assert sum(map(sum, labels["counts"])) == 200
    assert labels["accuracy"] == scores["exact_match"] >= 0.95
    assert scores["bleu"]["note"] == "no 4-grams"
    assert check_manifest(run)["settled"]["training.validation_metric"] == "exact-match"
    assert json.loads((run / "evaluation.json").read_bytes())["labels"] == labels
