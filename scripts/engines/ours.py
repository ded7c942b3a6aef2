"""One of our engines in a process of its own."""

import argparse
from collections.abc import Sequence
from dataclasses import replace

from engines.turns import TOKENS, answer_turns, read_job
from seq2seq.cli import let_threads_yield


def main() -> None:
    """Loads the run and answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("--model", "--engine", "--precision"):
        parser.add_argument(name, required=True)
    options = parser.parse_args()
    # As the command does; it must come before torch is imported.
    let_threads_yield()
    import torch

    from seq2seq.decoding.translator import Translator
    from seq2seq.device import tune_process

    job = read_job()
    torch.set_num_threads(job.threads)
    translator = Translator.load(options.model, device="cpu", precision=options.precision, engine=options.engine)
    tune_process(translator.device_spec)
    forced = replace(translator.config.decoding, min_length=TOKENS, max_length=TOKENS)

    def translate(sentences: Sequence[str], beam: int) -> list[int]:
        return [len(output.tokens) for output in translator.translate(sentences, replace(forced, beam=beam))]

    answer_turns(job.sentences, translate)


if __name__ == "__main__":
    main()
