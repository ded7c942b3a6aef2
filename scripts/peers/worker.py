"""Our toolkit in a process of its own, so that it is timed as the others are.

python -m peers.worker train --recipe recipe.toml --pairs 1920 --precision bf16 --run DIR
python -m peers.worker decode --run DIR --precision bf16 --sources F --output F --least 0 --most 60 --batch-tokens N
"""

import argparse
from pathlib import Path

from peers.corpus import some_pairs
from peers.toolkit import BEAM
from seq2seq.config import DecodingConfig
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec, tune_process
from seq2seq.recipe import load_recipe
from seq2seq.runs.folder import create_run, save_model, unique_tensors
from seq2seq.training.trainer import Trainer


def train(options: argparse.Namespace) -> None:
    """One epoch over the first pairs, without validation, as the others train."""
    config = load_recipe(options.recipe)
    device_spec = DeviceSpec.pick("cpu", options.precision)
    tune_process(device_spec)
    prepared = prepare(config)
    trainer = Trainer.of(config, some_pairs(prepared, options.pairs), device_spec)
    for _ in trainer.steps():
        pass
    numbers = trainer.read_window()
    print(f"{trainer.state.updates} updates, loss {numbers['loss']:.2f}")
    create_run(options.run, config, prepared.vocabularies)
    save_model(options.run, unique_tensors(trainer.model), {"updates": trainer.state.updates})


def decode(options: argparse.Namespace) -> None:
    """Pieces of the best translation of each line."""
    settings = DecodingConfig(
        beam=BEAM, min_length=options.least, max_length=options.most, batch_tokens=options.batch_tokens
    )
    translator = Translator.load(options.run, device="cpu", precision=options.precision)
    sentences = options.sources.read_text(encoding="utf-8").splitlines()
    outputs = translator.translate(sentences, settings)
    lines = "".join(" ".join(output.tokens) + "\n" for output in outputs)
    options.output.write_text(lines, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("work", choices=["train", "decode"])
    for name in ("--run", "--sources", "--output"):
        parser.add_argument(name, type=Path)
    for name in ("--recipe", "--precision"):
        parser.add_argument(name)
    for name in ("--pairs", "--least", "--most", "--batch-tokens"):
        parser.add_argument(name, type=int)
    options = parser.parse_args()
    (train if options.work == "train" else decode)(options)


if __name__ == "__main__":
    main()
