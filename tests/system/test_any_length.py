"""A task whose outputs are several times as long as their sources, with codes that no vocabulary knows."""

import json
import random
from pathlib import Path

import pytest

import seq2seq
from seq2seq.training.train import train

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def pair(number: int, chance: random.Random) -> str:
    """``4170 #a9f03c`` → ``#a9f03c: four one seven zero``."""
    code = f"#{chance.getrandbits(24):06x}"
    return f"{number:04} {code}\t{code}: {' '.join(NAMES[int(digit)] for digit in f'{number:04}')}\n"


@pytest.mark.slow
def test_long_outputs_are_whole_and_codes_come_through(tmp_path: Path) -> None:
    chance = random.Random(1)
    numbers = chance.sample(range(10_000), 3200)
    (tmp_path / "pairs.tsv").write_text("".join(pair(number, chance) for number in numbers), encoding="utf-8")
    overrides = [
        *("data.format=tsv", f"data.path={tmp_path}", "data.train=pairs.tsv", "data.src=1", "data.tgt=2"),
        *("data.validation_size=100", "data.test_size=100", f"data.directory={tmp_path / 'data'}"),
        *("subword.vocab_size=60", "subword.protect=['#[0-9a-f]{6}']"),
        *("model.attention=general", "model.layers=1", "model.hidden_size=96", "training.max_updates=400"),
        *("training.validate_every=200", "training.learning_rate=0.01"),
    ]
    run = train("reverse-digits", run=tmp_path / "run", overrides=overrides, device="cpu")
    scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    assert scores["exact_match"] >= 0.99
    assert (scores["cut"], scores["lost"]) == (0, 0)
    translator = seq2seq.load(run, device="cpu")
    (output,) = translator.translate(["3387 #00ff00"])
    assert output.text == "#00ff00: three three eight seven"
    # What the limit used to be would cut it.
    assert len(output.ids) > 2 * len(translator.vocabularies.src.encode("3387 ⟨1⟩")) + 10
