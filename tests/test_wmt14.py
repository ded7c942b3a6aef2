"""The recipes for WMT'14: the paper's size, and a slice in the hub's format that trains to an evaluated run."""

import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import torch

from seq2seq.evaluation.evaluate import EVALUATION
from seq2seq.model.build import build_model
from seq2seq.recipe import load_recipe
from seq2seq.runs.folder import unique_tensors
from seq2seq.training.train import train

PAPER = "wmt14-en-fr-sutskever"
SMALL = ["model.hidden_size=16", "model.embedding_size=16", "training.max_updates=2", "training.validate_every=2"]
CARD = """---
configs:
- config_name: fr-en
  data_files:
  - {split: train, path: fr-en/train-*}
  - {split: validation, path: fr-en/validation-*}
  - {split: test, path: fr-en/test-*}
---
"""


def parameters(name: str) -> dict[str, int]:
    config = load_recipe(name)
    sizes = config.subword.vocab_size, config.subword.tgt_vocab_size or config.subword.vocab_size
    with torch.device("meta"):
        return {key: weight.numel() for key, weight in unique_tensors(build_model(config.model, *sizes)).items()}


def test_the_model_has_the_parameters_that_the_paper_states() -> None:
    """§3.4: 384 million, of which 64 million recurrent; it does not count biases."""
    weights = {key: size for key, size in parameters(PAPER).items() if "bias" not in key}
    assert sum(weights.values()) == 384_000_000
    assert sum(size for key, size in weights.items() if "kernel" in key) == 64_000_000


def test_todays_model_builds() -> None:
    assert 110e6 < sum(parameters("wmt14-en-fr").values()) < 120e6


def hub_folder(folder: Path) -> Path:
    """Pairs as the hub keeps this data set."""
    (folder / "fr-en").mkdir(parents=True)
    (folder / "README.md").write_text(CARD, encoding="utf-8")
    for part, count in (("train-0", 60), ("train-1", 40), ("validation-0", 4), ("test-0", 4)):
        rows = [
            {"translation": {"en": f"{part} sees {number} cats", "fr": f"{part} voit {number} chats"}}
            for number in range(count)
        ]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "fr-en" / f"{part}.parquet")
    return folder


@pytest.mark.parametrize("name", [PAPER, "wmt14-en-fr"])
def test_a_slice_trains(name: str, tmp_path: Path) -> None:
    overrides = [f"data.path={hub_folder(tmp_path / 'hub')}", f"data.directory={tmp_path / 'data'}", *SMALL]
    overrides += ["training.batch_sentences=30"] if name == PAPER else ["subword.vocab_size=290"]
    run = train(name, run=tmp_path / "run", overrides=overrides, device="cpu")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["corpus"]["kept"] == 100
    assert json.loads((run / EVALUATION).read_text(encoding="utf-8"))["sentences"] == 4
