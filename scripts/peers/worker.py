"""Our toolkit in a process of its own, so that it is timed as the others are.

python -m peers.worker --recipe recipe.toml --pairs 1920 --precision bf16 --run DIR
"""

import argparse
from pathlib import Path

from peers.corpus import some_pairs
from seq2seq.corpus.prepared import prepare
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("--recipe", "--run"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--pairs", type=int, required=True)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
