"""The paired tests give the p-values of sacreBLEU's command, in pieces of any size."""

import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from seq2seq.evaluation.significance import Significance, compare, paired_bootstrap, paired_randomisation
from seq2seq.evaluation.statistics import Statistics, mean_statistics, statistics_of

WORDS = [*"abcdefghijklmnop"]


def sentences(chance: Random, count: int) -> list[str]:
    return [" ".join(chance.choices(WORDS, k=chance.randint(3, 14))) + "." for _ in range(count)]


def noisy(texts: list[str], share: float, chance: Random) -> list[str]:
    return [
        " ".join(chance.choice(WORDS) if chance.random() < share else word for word in text.split()) for text in texts
    ]


@pytest.fixture(scope="module")
def corpus() -> dict[str, list[str]]:
    chance = Random(7)
    first = sentences(chance, 131)  # no multiple of 32: pieces of coins end anywhere
    systems = {"base": noisy(first, 0.30, chance), "near": noisy(first, 0.32, chance), "far": noisy(first, 0.6, chance)}
    return {"ref1": first, "ref2": noisy(first, 0.1, chance), **systems}


def command(kind: str, corpus: dict[str, list[str]], folder: Path) -> dict[str, list[float]]:
    """The p-values that sacreBLEU's command prints, in four digits: of each metric, for the systems near and far."""
    for name, texts in corpus.items():
        (folder / name).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    names = ["ref1", "ref2", "-i", "base", "near", "far", "-m", "bleu", "chrf", "ter", f"--paired-{kind}"]
    environment = {name: value for name, value in os.environ.items() if name != "SACREBLEU_SEED"}
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", *names, "--paired-jobs", "1", "-f", "text", "-w", "4"],
        cwd=folder,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    found = [float(value) for value in re.findall(r"p = ([0-9.]+)", done.stdout)]
    assert len(found) == 6
    return {metric: found[column::3] for column, metric in enumerate(("BLEU", "chrF2", "TER"))}


@pytest.mark.parametrize("kind", ["bs", "ar"])
def test_p_values_are_those_of_the_sacrebleu_command(kind: str, corpus: dict[str, list[str]], tmp_path: Path) -> None:
    test = {"bs": paired_bootstrap, "ar": paired_randomisation}[kind]
    references = list(zip(corpus["ref1"], corpus["ref2"], strict=True))
    expected = command(kind, corpus, tmp_path)
    for name, metric in (("BLEU", BLEU()), ("chrF2", CHRF()), ("TER", TER())):
        base, near, far = (statistics_of(metric, corpus[system], references) for system in ("base", "near", "far"))
        assert [test(base, near), test(base, far)] == pytest.approx(expected[name], abs=6e-5), name
        assert test(base, near) > 0.05 > test(base, far)


def statistics(texts: list[str], corpus: dict[str, list[str]]) -> Statistics:
    return statistics_of(BLEU(), texts, [[text] for text in corpus["ref1"]])


def test_equal_scores_are_not_tested(corpus: dict[str, list[str]]) -> None:
    base = statistics(corpus["base"], corpus)
    assert compare(base, statistics(list(corpus["base"]), corpus)) is None
    found = compare(base, statistics(corpus["far"], corpus))
    assert isinstance(found, Significance)
    assert found.difference == pytest.approx(statistics(corpus["far"], corpus).score - base.score)
    assert found.difference < 0


def test_direction_and_seed_decide_no_more_than_they_should(corpus: dict[str, list[str]]) -> None:
    base, near = statistics(corpus["base"], corpus), statistics(corpus["near"], corpus)
    assert paired_bootstrap(base, near) == paired_bootstrap(near, base)
    assert paired_randomisation(base, near) == pytest.approx(paired_randomisation(base, near, seed=1), abs=0.03)
    assert paired_randomisation(base, near) != paired_randomisation(base, near, seed=1)


def test_the_mean_of_equal_systems_is_each_of_them(corpus: dict[str, list[str]]) -> None:
    base, near = statistics(corpus["base"], corpus), statistics(corpus["near"], corpus)
    assert paired_bootstrap(base, mean_statistics([near, near])) == paired_bootstrap(base, near)
    between = mean_statistics([base, near]).score
    assert min(base.score, near.score) - 0.1 < between < max(base.score, near.score) + 0.1


def test_pieces_are_what_one_big_draw_would_be(corpus: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SACREBLEU_SEED", raising=False)
    references = list(zip(corpus["ref1"], corpus["ref2"], strict=True))
    for metric in (BLEU(), CHRF()):
        base, near = (statistics_of(metric, corpus[system], references) for system in ("base", "near"))
        systems = [(name, corpus[name]) for name in ("base", "near")]
        for kind, found in (("bs", paired_bootstrap(base, near)), ("ar", paired_randomisation(base, near))):
            _, results = PairedTest(systems, {"metric": metric}, [corpus["ref1"], corpus["ref2"]], kind)()
            (scores,) = (value for name, value in results.items() if name != "System")
            assert found == scores[1].p_value  # type: ignore[union-attr]
