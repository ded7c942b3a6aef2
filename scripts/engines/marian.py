"""bergamot, which is Marian for browsers: its small students, with random weights in 8 bits and without a shortlist.

6 layers of encoder and 2 of decoder, width 256, feed-forward layers of 1,536; the decoder has simpler recurrent units
in the place of attention to its own output (Kim et al. 2019). Lengths are limited by a factor of the source's only: all
sources are made of words of one piece, as many as our sentences have on average, and the end mark is forbidden.
"""

import importlib.util
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sentencepiece

from engines.turns import TOKENS, Job, answer_turns, read_job

_WIDTH, _INNER, _ENCODER_LAYERS, _DECODER_LAYERS = 256, 1536, 6, 2
_BATCH = 64
_MODEL = {
    "type": "transformer",
    "version": "v1.9.0",
    "enc-depth": _ENCODER_LAYERS,
    "dec-depth": _DECODER_LAYERS,
    "dec-cell": "ssru",
    "dec-cell-base-depth": 2,
    "dec-cell-high-depth": 1,
    "dim-emb": _WIDTH,
    "layer-normalization": False,
    "tied-embeddings": True,
    "tied-embeddings-all": True,
    "tied-embeddings-src": False,
    "transformer-decoder-autoreg": "rnn",
    "transformer-dim-ffn": _INNER,
    "transformer-ffn-activation": "relu",
    "transformer-ffn-depth": 2,
    "transformer-heads": 8,
    "transformer-no-projection": False,
    "transformer-postprocess": "dan",
    "transformer-postprocess-emb": "d",
    "transformer-postprocess-top": "",
    "transformer-preprocess": "",
    "transformer-tied-layers": [],
    "transformer-train-position-embeddings": False,
}


def _weights(pieces: int, end: int) -> dict[str, npt.NDArray[Any]]:
    """Weights by Marian's names, with the model's description.

    Args:
        pieces: in the vocabulary.
        end: id of the end mark.
    """
    generator = np.random.default_rng(0)
    weights: dict[str, npt.NDArray[Any]] = {}

    def draw(name: str, *shape: int) -> None:
        weights[name] = (0.05 * generator.standard_normal(shape)).astype(np.float32)

    def norm(name: str) -> None:
        weights[f"{name}_ln_scale"] = np.ones((1, _WIDTH), np.float32)
        weights[f"{name}_ln_bias"] = np.zeros((1, _WIDTH), np.float32)

    def attention(name: str) -> None:
        for part in "qkvo":
            draw(f"{name}_W{part}", _WIDTH, _WIDTH)
            draw(f"{name}_b{part}", 1, _WIDTH)
        norm(f"{name}_Wo")

    def feed_forward(name: str) -> None:
        for part, inputs, outputs in ((1, _WIDTH, _INNER), (2, _INNER, _WIDTH)):
            draw(f"{name}_W{part}", inputs, outputs)
            draw(f"{name}_b{part}", 1, outputs)
        norm(f"{name}_ffn")

    draw("Wemb", pieces, _WIDTH)
    for layer in range(1, _ENCODER_LAYERS + 1):
        attention(f"encoder_l{layer}_self")
        feed_forward(f"encoder_l{layer}_ffn")
    for layer in range(1, _DECODER_LAYERS + 1):
        draw(f"decoder_l{layer}_rnn_W", _WIDTH, _WIDTH)
        draw(f"decoder_l{layer}_rnn_Wf", _WIDTH, _WIDTH)
        draw(f"decoder_l{layer}_rnn_bf", 1, _WIDTH)
        norm(f"decoder_l{layer}_rnn_ffn")
        attention(f"decoder_l{layer}_context")
        feed_forward(f"decoder_l{layer}_ffn")
    draw("decoder_ff_logit_out_b", 1, pieces)
    weights["decoder_ff_logit_out_b"][0, end] = -1e4
    # Read as YAML, which JSON is.
    description = json.dumps({**_MODEL, "dim-vocabs": [pieces, pieces]})
    weights["special:model.yml"] = np.frombuffer(description.encode() + b"\0", np.int8)
    return weights


def _search(folder: Path, beam: int, width: int, threads: int) -> str:
    """What Marian is told about a search.

    Args:
        folder: of the model.
        beam: width.
        width: pieces of a source, with its end mark.
        threads: each translates a part of a batch.
    """
    settings = {
        "models": [str(folder / "model.npz")],
        "vocabs": [str(folder / "vocabulary.spm")] * 2,
        "gemm-precision": "int8shiftAll",
        "beam-size": beam,
        "skip-cost": beam == 1,
        "normalize": 1.0,
        "word-penalty": 0,
        "max-length-factor": TOKENS / width,
        "max-length-break": 128,
        "mini-batch-words": _BATCH // threads * width,
        "workspace": 128,
        "ssplit-mode": "sentence",
        "cpu-threads": 0,
        "quiet": True,
        "quiet-translation": True,
    }
    return json.dumps(settings)


def _sources(job: Job, processor: sentencepiece.SentencePieceProcessor) -> list[str]:
    """As many sentences as ours, all of the same number of pieces."""
    pieces = (processor.id_to_piece(number) for number in range(len(processor)))
    words = [piece[1:] for piece in pieces if piece[0] == "▁" and piece[1:].isalpha()]
    whole = [word for word in words if len(processor.encode(word)) == 1]
    generator = random.Random(1)
    length = round(sum(job.lengths) / len(job.lengths))
    return [" ".join(generator.choices(whole, k=length)) for _ in job.lengths]


def main() -> None:
    """Makes the model and answers."""
    # The package itself would look for models on the web when it is imported.
    specification = importlib.util.find_spec("bergamot")
    assert specification is not None
    sys.path += specification.submodule_search_locations or []
    import _bergamot

    job = read_job()
    processor = sentencepiece.SentencePieceProcessor(model_file=job.vocabulary)
    sources = _sources(job, processor)
    service = _bergamot.Service(_bergamot.ServiceConfig(numWorkers=job.threads, cacheSize=0, logLevel="off"))
    plain = _bergamot.ResponseOptions(qualityScores=False, alignment=False, sentenceMappings=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copyfile(job.vocabulary, folder / "vocabulary.spm")
        np.savez(folder / "model.npz", **_weights(len(processor), processor.eos_id()))  # type: ignore[arg-type]
        width = len(sources[0].split()) + 1
        models = {beam: service.modelFromConfig(_search(folder, beam, width, job.threads)) for beam in (1, 5)}

        def translate(batch: Sequence[str], beam: int) -> list[int]:
            # One text of many lines, so that they come as one batch.
            response = service.translate(models[beam], _bergamot.VectorString(["\n".join(batch)]), plain)[0]
            return [response.target.numWords(number) for number in range(len(batch))]

        # Files are read when a model is first used.
        answer_turns(sources, translate)


if __name__ == "__main__":
    main()
