"""One of our engines in a process of its own: sentences on their first line of stdin, then turns."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

import torch

from engines.turns import TOKENS, answer_turns
from seq2seq.decoding.translator import Translator
from seq2seq.device import tune_process


def main() -> None:
    """Loads the run and answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("--model", "--engine", "--precision"):
        parser.add_argument(name, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    translator = Translator.load(options.model, device="cpu", precision=options.precision, engine=options.engine)
    tune_process(translator.device_spec)
    forced = replace(translator.config.decoding, min_length=TOKENS, max_length=TOKENS)

    def translate(sentences: Sequence[str], beam: int) -> None:
        translator.translate(sentences, replace(forced, beam=beam))

    answer_turns(json.loads(sys.stdin.readline()), translate)


if __name__ == "__main__":
    main()
