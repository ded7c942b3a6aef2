"""A page of pictures with their captions, and where the model looked for each word.

Shapes: ``T`` tokens of a caption, ``S`` positions of the memory, row by row over the picture.
"""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from seq2seq.decoding.models import Ensemble
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import alignments
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.reports.page import render

_SHOWN = 24


@dataclass(frozen=True, slots=True)
class Captioned:
    """A picture of the page."""

    name: str
    image: str
    """A data URI of what the model saw of it."""
    caption: str
    references: Sequence[str]
    words: Sequence[tuple[str, str]]
    """Each token, and as a data URI a veil over the picture that is thin where the model looked; none without
    attention."""


def picture_page(name: str, evaluated: EvaluatedRun) -> str:
    """Scores, and pictures spread evenly over the set, none of them chosen, as HTML without scripts or network.

    Args:
        name: of the run.
        evaluated: the run, which reads pictures.

    Raises:
        ValueError: it reads text.
    """
    if evaluated.pictures is None:
        raise ValueError("this run reads text: it has no pictures to show")
    found = list(zip(evaluated.sources, evaluated.references, evaluated.outputs, strict=True))
    stride = max(1, len(found) // _SHOWN)
    shown = [_captioned(evaluated.predictor, evaluated.pictures.pixels, *one) for one in found[::stride][:_SHOWN]]
    return render("pictures.html", name=name, evaluation=evaluated.scores, shown=shown, every=stride)


def _captioned(
    ensemble: Ensemble,
    pixels: Callable[[Sequence[str]], Tensor],
    name: str,
    references: Sequence[str],
    caption: Translation,
) -> Captioned:
    picture = ((pixels([name])[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    veils = [_uri(_veil(weights), "PNG") for weights in _attention(ensemble, name, caption)]
    words = list(zip(caption.tokens, veils, strict=True)) if veils else []
    return Captioned(name, _uri(picture, "JPEG"), caption.text, references, words)


def _attention(ensemble: Ensemble, name: str, caption: Translation) -> list[Tensor]:
    """For each token of the caption weights (S,); nothing if the model has no attention."""
    if ensemble.model.decoder.attention is None:
        return []
    (weights,) = alignments(ensemble, [name], [caption.ids])
    return list(weights[: len(caption.ids)])


def _veil(weights: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A black picture as small as the grid, its opacity falling with the weight; a browser enlarges it smoothly."""
    side = math.isqrt(len(weights))
    share = (weights / weights.max()).reshape(side, side).numpy()
    veil = np.zeros((side, side, 4), dtype=np.uint8)
    veil[..., 3] = (200 * (1 - share)).round()
    return veil


def _uri(pixels: np.ndarray[Any, np.dtype[np.uint8]], kind: str) -> str:
    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
