"""OpenNMT-py 3.5.1 (``pip install --no-deps OpenNMT-py==3.5.1``)."""

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
    Command,
    Corpus,
    Sample,
    peer_environment,
)


@dataclass(frozen=True)
class OpenNMT:
    """OpenNMT-py, configured by a YAML file (JSON is YAML).

    Attributes:
        corpus: shared by all toolkits.
        python: interpreter of its environment.
        name: row in the tables.
        input_feeding: OpenNMT-py's default; without it the decoder runs over whole sequences, as ours does.
    """

    corpus: Corpus
    python: str
    name: str
    input_feeding: bool
    difference: ClassVar[str] = (
        "attention (general) from the top decoder layer; input feeding is its default, so there is a row without"
    )

    def train(self, sample: Sample, run: Path) -> Command:
        """As many updates as there are in one epoch; the bucket holds the whole sample."""
        run.mkdir(parents=True, exist_ok=True)
        vocabulary = run / "vocabulary"
        vocabulary.write_text("".join(f"{piece}\t1\n" for piece in self.corpus.vocabulary), encoding="utf-8")
        (run / "train.yaml").write_text(json.dumps(self._config(sample, run, vocabulary)), encoding="utf-8")
        arguments = [self.python, "-m", "onmt.bin.train", "-config", str(run / "train.yaml")]
        return Command(arguments, peer_environment())

    def _config(self, sample: Sample, run: Path, vocabulary: Path) -> dict[str, Any]:
        return {
            "data": {"corpus": {"path_src": str(sample.src), "path_tgt": str(sample.tgt), "transforms": []}},
            "src_vocab": str(vocabulary),
            "tgt_vocab": str(vocabulary),
            "share_vocab": True,
            "save_model": str(run / "model"),
            "train_steps": sample.updates,
            "save_checkpoint_steps": sample.updates,
            "keep_checkpoint": 1,
            "valid_steps": 10**6,
            "report_every": 10**6,
            "encoder_type": "brnn",
            "decoder_type": "rnn",
            "rnn_type": "LSTM",
            "layers": LAYERS,
            "hidden_size": HIDDEN,
            "word_vec_size": EMBEDDING,
            "global_attention": "general",
            "input_feed": int(self.input_feeding),
            "dropout": [0.0],
            "attention_dropout": [0.0],
            "optim": "adam",
            "learning_rate": LEARNING_RATE,
            "max_grad_norm": CLIP,
            "label_smoothing": SMOOTHING,
            "batch_type": "sents",
            "batch_size": BATCH,
            "normalization": "tokens",
            "bucket_size": sample.pairs,
            "num_workers": 0,
            "seed": 1,
        }
