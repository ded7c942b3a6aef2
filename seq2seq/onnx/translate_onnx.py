"""Translates stdin line by line with the exported model beside this file: ``python translate.py < sentences``.

It needs numpy, onnxruntime and sentencepiece, but neither torch nor seq2seq. Greedy search only.
"""

import json
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import sentencepiece

# sentencepiece uses U+2581 for a space, so text must not contain it; byte order marks are removed.
_RESERVED = str.maketrans({"\u2581": "_", "\ufeff": None})


class ExportedModel:
    """An exported model in onnxruntime.

    Args:
        folder: contains ``manifest.json`` and the files it names.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.encoder, self.step = (
            onnxruntime.InferenceSession(folder / self.manifest[graph]["file"], providers=["CPUExecutionProvider"])
            for graph in ("encoder", "decoder_step")
        )
        self.src, self.tgt = (
            sentencepiece.SentencePieceProcessor(model_file=str(folder / self.manifest["subword"][side]))
            for side in ("src", "tgt")
        )

    def start(self, sources: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        """Token ids of each source to the decoder's initial state, one row for each source."""
        lengths = np.array([len(source) for source in sources], dtype=np.int64)
        src = np.zeros((len(sources), max(lengths)), dtype=np.int64)
        for row, source in zip(src, sources, strict=True):
            row[: len(source)] = source
        names = [port["name"] for port in self.manifest["encoder"]["outputs"]]
        return dict(zip(names, self.encoder.run(names, {"src": src, "lengths": lengths}), strict=True))

    def advance(self, token: np.ndarray, state: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Previous tokens (rows,) to log-probabilities (rows, vocabulary) of the next, and the new state."""
        next_names: dict[str, str] = self.manifest["next"]
        log_probs, *tensors = self.step.run(["log_probs", *next_names], {"token": token, **state})
        return log_probs, state | dict(zip(next_names.values(), tensors, strict=True))

    def greedy(self, sources: Sequence[Sequence[int]]) -> list[list[int]]:
        """Greedy search: at each step the most probable token, until outputs have as many as the manifest allows."""
        state, eos = self.start(sources), self.manifest["tokens"]["eos"]
        token = np.full(len(sources), self.manifest["tokens"]["bos"])
        longest = [self.longest_output(len(source)) for source in sources]
        outputs: list[list[int]] = [[] for _ in sources]
        rows = np.arange(len(sources))
        while len(rows):
            log_probs, state = self.advance(token, state)
            log_probs[:, self.manifest["never_written"]] = -np.inf
            token = log_probs.argmax(axis=1)
            live = [index for index, row in enumerate(rows) if token[index] != eos and len(outputs[row]) < longest[row]]
            token, rows = token[live], rows[live]
            state = {name: tensor[live] for name, tensor in state.items()}
            for row, token_id in zip(rows, token.tolist(), strict=True):
                outputs[row].append(token_id)
        return outputs

    def longest_output(self, size: int) -> int:
        """Most tokens of an output for a source of ``size`` tokens; beyond the manifest's longest in proportion."""
        for upto, most in self.manifest["longest_outputs"]:
            if size <= upto:
                return int(most)
        return int(-(-most * size // upto))

    def translate(self, sentence: str) -> str:
        """Translates one sentence."""
        subword = self.manifest["subword"]
        normal = unicodedata.normalize(subword["unicode"].upper(), sentence.translate(_RESERVED))
        if subword["lowercase"]:
            normal = unicodedata.normalize(subword["unicode"].upper(), normal.lower())
        normal = " ".join(normal.split())
        if all(character == " " or unicodedata.category(character) == "Cf" for character in normal):
            return ""  # nothing but characters of no width
        ids = self.src.encode(normal)[: self.manifest["max_tokens"]]
        return " ".join(self.tgt.decode(self.greedy([ids])[0]).split())


def main() -> None:
    """Translates stdin to stdout, line by line."""
    model = ExportedModel(Path(__file__).parent)
    if "word" in model.manifest["subword"]["types"]:
        sys.exit(
            "translate.py: this model has a word vocabulary, which only seq2seq can tokenise: pass ids to greedy()"
        )
    if model.manifest["subword"]["protect"]:
        sys.exit(
            "translate.py: this model has placeholders for protected texts, which only seq2seq puts in: "
            "pass ids to greedy()"
        )
    for line in sys.stdin.buffer:
        print(model.translate(line.decode("utf-8", "replace")), flush=True)


if __name__ == "__main__":
    main()
