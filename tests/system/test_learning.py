"""Real trainings: what the models are for."""

import json
import random
from pathlib import Path

import pytest
import torch

from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.corpus.prepared import prepare
from seq2seq.device import DeviceSpec
from seq2seq.evaluation.evaluate import evaluate
from seq2seq.model.build import build_model
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource
from seq2seq.training.train import train
from seq2seq.training.trainer import Trainer

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


def fresh_seed() -> int:
    """Another one each time, so that the floors below are honest; shown by pytest when a test fails."""
    seed = random.SystemRandom().randrange(2**31)
    print("seed", seed)
    return seed


@pytest.mark.parametrize("job", ["reverse", "copy"])
def test_digits_are_learned(job: str, tmp_path: Path) -> None:
    overrides = [f"data.path={job}", f"training.seed={fresh_seed()}", f"data.directory={tmp_path / 'data'}"]
    run = train("reverse-digits", run=tmp_path / "run", overrides=overrides)
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    assert evaluation["sentences"] == 500
    assert evaluation["exact_match"] >= 0.99


def test_a_reversed_source_is_learned_in_fewer_updates(tmp_path: Path) -> None:
    """Sutskever et al. 2014, §3.3, on copying 10 to 20 digits."""
    path = tmp_path / "copy.tsv"
    generator = random.Random(fresh_seed())
    lines = ("".join(generator.choices("0123456789", k=generator.randint(10, 20))) for _ in range(8000))
    path.write_text("".join(f"{line}\t{line}\n" for line in lines), encoding="utf-8")
    settings = [f"data.path={path}", "data.train=copy.tsv", "data.format=tsv", "data.src=1", "data.tgt=2"]
    corpus = prepare(load_recipe("reverse-digits", [*settings, f"data.directory={tmp_path / 'data'}"]))

    def updates_until(loss: float, *, reverse: bool, seed: int, most: int = 1200) -> int:
        torch.manual_seed(seed)
        model = build_model(ModelConfig(layers=1, hidden_size=96, embedding_size=32, dropout=0.0), 15, 15)
        config = TrainingConfig(
            max_updates=most, batch_tokens=1200, learning_rate=0.005, schedule="constant", label_smoothing=0.0
        )
        trainer = Trainer(model, BatchSource(corpus, config, reverse=reverse), config, DeviceSpec.pick())
        for _ in trainer.steps():
            if trainer.state.updates % 10 == 0 and trainer.read_window()["loss"] < loss:
                break
        return trainer.state.updates

    seed = fresh_seed()
    backward = updates_until(1.6, reverse=True, seed=seed)
    forward = updates_until(1.6, reverse=False, seed=seed)
    assert backward < forward


def test_a_slice_of_the_real_corpus_is_learned(tmp_path: Path) -> None:
    """A tenth of the default recipe: far from its end, but a translation."""
    overrides = [
        "data.validation_size=200",
        "data.test_size=500",
        "training.max_minutes=0",
        "training.max_updates=1200",
        "training.validate_every=400",
    ]
    overrides += [f"training.seed={fresh_seed()}", f"data.directory={ROOT / 'data'}"]
    run = train("tatoeba-en-es", run=tmp_path / "run", overrides=overrides)
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    assert evaluation["sentences"] == 500
    assert evaluation["bleu"]["score"] >= 4.0
    manifest = json.loads((run / "manifest.json").read_bytes())
    assert manifest["corpus"]["test sources in training"] == 0
    # Eight bits cost next to nothing (docs/log.md has the figure for a whole training).
    assert evaluate(run, precision="int8").scores["bleu"]["score"] >= evaluation["bleu"]["score"] - 0.5
