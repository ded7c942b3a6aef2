"""A Transformer of random weights in CTranslate2, in a process of its own and an environment that has that package.

The numbers of pieces of the sentences are on the first line of stdin; the pieces themselves are drawn. Speed does not
depend on weights where lengths are forced.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec

from engines.turns import TOKENS, answer_turns

_WIDTH, _PIECES = 256, 6000


def _write(folder: Path, layers: tuple[int, int], inner: int) -> None:
    """Writes a model.

    Args:
        folder: for it.
        layers: of encoder and decoder.
        inner: width of the feed-forward layers.
    """
    generator = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return (0.05 * generator.standard_normal(shape)).astype(np.float32)

    def linear(spec: Any, outputs: int, inputs: int) -> None:
        spec.weight, spec.bias = draw(outputs, inputs), draw(outputs)

    def norm(spec: Any) -> None:
        spec.gamma, spec.beta = np.ones(_WIDTH, np.float32), np.zeros(_WIDTH, np.float32)

    model = TransformerSpec.from_config(layers, 4)
    model.encoder.embeddings[0].weight = draw(_PIECES, _WIDTH)
    model.decoder.embeddings.weight = draw(_PIECES, _WIDTH)
    for stack in (model.encoder, model.decoder):
        norm(stack.layer_norm)
        stack.position_encodings.encodings = draw(512, _WIDTH)
        for layer in stack.layer:
            attentions = [layer.self_attention, *([layer.attention] if stack is model.decoder else [])]
            for attention in attentions:
                norm(attention.layer_norm)
                # Of itself: queries, keys and values in one; of the source: queries, then keys and values.
                sizes = [3, 1] if len(attention.linear) == 2 else [1, 2, 1]
                for projection, size in zip(attention.linear, sizes, strict=True):
                    linear(projection, size * _WIDTH, _WIDTH)
            norm(layer.ffn.layer_norm)
            linear(layer.ffn.linear_0, inner, _WIDTH)
            linear(layer.ffn.linear_1, _WIDTH, inner)
    linear(model.decoder.projection, _PIECES, _WIDTH)
    pieces = ["<unk>", "<s>", "</s>", *(f"p{number}" for number in range(_PIECES - 3))]
    model.register_source_vocabulary(pieces)
    model.register_target_vocabulary(pieces)
    model.config.add_source_eos = True
    model.validate()
    model.optimize(quantization="int8")
    model.save(str(folder))


def main() -> None:
    """Makes the model and answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, nargs=2, required=True)
    parser.add_argument("--inner", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    generator = np.random.default_rng(1)
    sentences = [
        [f"p{number}" for number in generator.integers(_PIECES - 3, size=length)]
        for length in json.loads(sys.stdin.readline())
    ]
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), tuple(options.layers), options.inner)
        translator = ctranslate2.Translator(
            folder, device="cpu", inter_threads=1, intra_threads=options.threads, compute_type="int8"
        )

    def translate(batch: Sequence[list[str]], beam: int) -> None:
        translator.translate_batch(
            batch, beam_size=beam, min_decoding_length=TOKENS, max_decoding_length=TOKENS, max_batch_size=len(batch)
        )

    answer_turns(sentences, translate)


if __name__ == "__main__":
    main()
