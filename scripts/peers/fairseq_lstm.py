"""fairseq 0.12.2, architecture ``lstm`` (``pip install --no-deps fairseq==0.12.2``, built from source)."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
    run_command,
)


@dataclass(frozen=True)
class Fairseq:
    """fairseq, configured by command-line options.

    Attributes:
        corpus: shared by all toolkits.
        python: interpreter of its environment.
        name: row in the tables.
    """

    corpus: Corpus
    python: str
    name: str = "fairseq"
    difference: ClassVar[str] = (
        "attention (general) from the top decoder layer, input feeding, LSTM cells in a loop over time"
    )

    def train(self, sample: Sample, run: Path) -> Command:
        """One epoch over the output of ``fairseq-preprocess``, which is not timed."""
        self._binarise(sample, run)
        sizes = [f"--{side}-embed-dim={EMBEDDING}" for side in ("encoder", "decoder")]
        sizes += [f"--{side}-layers={LAYERS}" for side in ("encoder", "decoder")]
        sizes += [f"--encoder-hidden-size={HIDDEN // 2}", "--encoder-bidirectional", "--decoder-attention=1"]
        sizes += [f"--decoder-hidden-size={HIDDEN}", f"--decoder-out-embed-dim={HIDDEN}", "--dropout=0"]
        learning = ["--optimizer=adam", f"--lr={LEARNING_RATE}", f"--clip-norm={CLIP}"]
        learning += ["--criterion=label_smoothed_cross_entropy", f"--label-smoothing={SMOOTHING}"]
        process = [f"--batch-size={BATCH}", "--max-epoch=1", "--num-workers=0", "--disable-validation", "--cpu"]
        process += ["--no-epoch-checkpoints", "--no-progress-bar", "--seed=1", f"--save-dir={run}"]
        return self._command("train", str(_binary(run)), "--arch=lstm", *sizes, *learning, *process)

    def _command(self, program: str, *arguments: str) -> Command:
        return Command([self.python, "-m", f"fairseq_cli.{program}", *arguments], peer_environment())

    def _binarise(self, sample: Sample, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        dictionary = run / "dictionary"
        dictionary.write_text("".join(f"{piece} 1\n" for piece in self.corpus.vocabulary), encoding="utf-8")
        # It requires a validation part even with --disable-validation.
        files = [f"--trainpref={sample.src.with_suffix('')}", f"--validpref={self.corpus.short.src.with_suffix('')}"]
        files += [f"--srcdict={dictionary}", f"--destdir={_binary(run)}"]
        languages = [f"--source-lang={SRC}", f"--target-lang={TGT}", "--joined-dictionary"]
        run_command(self._command("preprocess", *files, *languages, "--workers=1"), 1, run / "preprocess.log")


def _binary(run: Path) -> Path:
    return run / "binary"
