"""CTranslate2: a Transformer of random weights in 8 bits, of width 256 and with as many pieces as ours.

Speed does not depend on weights where lengths are forced.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from ctranslate2.specs import TransformerSpec

from engines.turns import TOKENS, answer_turns, read_job

_WIDTH = 256


def _write(folder: Path, pieces: Sequence[str], layers: tuple[int, int], inner: int) -> None:
    """Writes a model.

    Args:
        folder: for it.
        pieces: its vocabulary.
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
    model.encoder.embeddings[0].weight = draw(len(pieces), _WIDTH)
    model.decoder.embeddings.weight = draw(len(pieces), _WIDTH)
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
    linear(model.decoder.projection, len(pieces), _WIDTH)
    model.register_source_vocabulary(list(pieces))
    model.register_target_vocabulary(list(pieces))
    model.config.add_source_eos = True
    model.validate()
    model.optimize(quantization="int8")
    model.save(str(folder))


def main() -> None:
    """Makes the model and answers."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, nargs=2, required=True)
    parser.add_argument("--inner", type=int, required=True)
    options = parser.parse_args()
    job = read_job()
    pieces = ["<unk>", "<s>", "</s>", *(f"p{number}" for number in range(3, job.pieces))]
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), pieces, tuple(options.layers), options.inner)
        translator = ctranslate2.Translator(
            folder, device="cpu", inter_threads=1, intra_threads=job.threads, compute_type="int8"
        )

    def translate(batch: Sequence[list[str]], beam: int) -> list[int]:
        outputs = translator.translate_batch(
            batch, beam_size=beam, min_decoding_length=TOKENS, max_decoding_length=TOKENS, max_batch_size=len(batch)
        )
        return [len(output.hypotheses[0]) for output in outputs]

    answer_turns([[pieces[number] for number in sentence] for sentence in job.draw(special=3)], translate)


if __name__ == "__main__":
    main()
