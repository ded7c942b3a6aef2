"""JoeyNMT 2.3 (``pip install joeynmt``)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from peers.toolkit import (
    BATCH,
    CLIP,
    EMBEDDING,
    HIDDEN,
    LAYERS,
    LEARNING_RATE,
    SMOOTHING,
    SRC,
    TGT,
    Command,
    Corpus,
    Sample,
    peer_environment,
)


@dataclass(frozen=True)
class Joey:
    """JoeyNMT, configured by a YAML file (JSON is YAML).

    Attributes:
        corpus: shared by all toolkits.
        python: interpreter of its environment.
        name: row in the tables.
    """

    corpus: Corpus
    python: str
    name: str = "JoeyNMT"
    difference: ClassVar[str] = (
        "attention (luong) from the top decoder layer, input feeding; the encoder's last forward and backward state "
        "go through one linear map to all decoder layers; its batches are not sorted by length"
    )

    def train(self, sample: Sample, run: Path) -> Command:
        """One epoch; without the plateau scheduler, which passes torch a ``verbose`` that it no longer has."""
        run.parent.mkdir(parents=True, exist_ok=True)
        vocabulary = run.parent / "joey.vocabulary"
        # JoeyNMT adds its special pieces only if they are missing.
        specials = ["<unk>", "<pad>", "<s>", "</s>"]
        vocabulary.write_text("".join(f"{piece}\n" for piece in [*specials, *self.corpus.vocabulary]), "utf-8")
        config = self._config(sample, run, vocabulary)
        (run.parent / "train.yaml").write_text(json.dumps(config), encoding="utf-8")
        arguments = [self.python, "-m", "joeynmt", "train", str(run.parent / "train.yaml"), "--skip-test"]
        return Command(arguments, peer_environment())

    def _config(self, sample: Sample, run: Path, vocabulary: Path) -> dict[str, Any]:
        side = {"level": "word", "voc_file": str(vocabulary)}
        embeddings = {"embedding_dim": EMBEDDING, "dropout": 0.0}
        recurrent = {"type": "recurrent", "rnn_type": "lstm", "num_layers": LAYERS, "dropout": 0.0}
        seldom = 10**6
        return {
            "name": "peer",
            "model_dir": str(run),
            "use_cuda": False,
            "num_workers": 0,
            "random_seed": 1,
            "data": {
                "train": str(sample.src.with_suffix("")),
                "dev": str(self.corpus.short.src.with_suffix("")),
                "dataset_type": "plain",
                "src": {"lang": SRC, **side},
                "trg": {"lang": TGT, **side},
            },
            "testing": {"batch_size": BATCH, "batch_type": "sentence"},
            "training": {
                "optimizer": "adam",
                "learning_rate": LEARNING_RATE,
                "learning_rate_min": 0.0,
                # A schedule is required: this one keeps the rate constant.
                "scheduling": "exponential",
                "decrease_factor": 1.0,
                "clip_grad_norm": CLIP,
                "label_smoothing": SMOOTHING,
                "batch_size": BATCH,
                "batch_type": "sentence",
                "normalization": "tokens",
                "epochs": 1,
                "logging_freq": seldom,
                "validation_freq": seldom,
                "overwrite": True,
            },
            "model": {
                "initializer": "xavier_uniform",
                "bias_initializer": "zeros",
                "tied_embeddings": False,
                "tied_softmax": False,
                "encoder": {
                    **recurrent,
                    "embeddings": embeddings,
                    "hidden_size": HIDDEN // 2,
                    "bidirectional": True,
                },
                "decoder": {
                    **recurrent,
                    "embeddings": embeddings,
                    "hidden_size": HIDDEN,
                    "hidden_dropout": 0.0,
                    "attention": "luong",
                    "input_feeding": True,
                    "init_hidden": "bridge",
                },
            },
        }
