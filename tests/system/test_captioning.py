"""A real training on pictures, with the published backbone."""

import json
import random
from pathlib import Path

import pytest
from shapes import draw_shape, make_corpus

from seq2seq.decoding.captioner import Captioner
from seq2seq.training.train import train

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recipe", ["flickr8k", "flickr8k-attention"])
def test_colours_and_shapes_are_named(recipe: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**31)
    print("seed", seed)
    generator = random.Random(seed)
    make_corpus(tmp_path / "shapes", {"train": 300, "valid": 120}, generator)
    (tmp_path / "data").mkdir()
    (ROOT / "data" / "downloads").mkdir(exist_ok=True)
    # The published weights are fetched once for all tests.
    (tmp_path / "data" / "downloads").symlink_to(ROOT / "data" / "downloads")
    overrides = [f"data.path={tmp_path / 'shapes'}", f"data.directory={tmp_path / 'data'}", "subword.vocab_size=20"]
    overrides += ["model.hidden_size=128", "model.embedding_size=64", "model.dropout=0.1", f"training.seed={seed}"]
    overrides += ["training.max_epochs=40", "training.warmup_updates=0", "training.validate_every=200"]
    run = train(recipe, run=tmp_path / "run", overrides=overrides)
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    assert evaluation["sentences"] == 60
    assert evaluation["exact_match"] >= 0.8
    assert evaluation["captions"]["prefers_own"] >= 0.8
    draw_shape("red", "circle", generator).save(tmp_path / "new.png")
    assert "red" in Captioner.load(run).caption([str(tmp_path / "new.png")])[0].text
