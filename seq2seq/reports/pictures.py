"""Pictures with their captions, and where the model looked for each token.

Shapes: ``T`` tokens of a caption, ``S`` source positions, row by row over the picture.
"""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import alignments
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.reports.page import render
from seq2seq.reports.section import Section, Table
from seq2seq.reports.selection import evenly

_MAX_PICTURES = 24
Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class CaptionedPicture:
    """A picture that is shown."""

    name: str
    image: str
    """Data URI of the picture as the model reads it."""
    caption: str
    references: Sequence[str]
    words: Sequence[tuple[str, str]]
    """Each token with the data URI of its attention mask; empty without attention."""


def pictures_section(evaluated: EvaluatedRun) -> Section:
    """Pictures at even distances through the set, with their captions.

    Raises:
        ValueError: the run reads text.
    """
    if evaluated.pictures is None:
        raise ValueError("this run reads text: it has no pictures to show")
    pictures = list(zip(evaluated.sources, evaluated.references, evaluated.outputs, strict=True))
    shown = [
        _captioned(evaluated.predictor, evaluated.pictures.pixels([name])[0], name, references, caption)
        for name, references, caption in evenly(pictures, _MAX_PICTURES)
    ]
    html = render("pictures.html", shown=shown, all=len(pictures))
    rows = [[picture.name, picture.caption, " / ".join(picture.references)] for picture in shown]
    return Section("Pictures", "pictures", html, Table(["picture", "caption", "references"], rows).markdown())


def _captioned(
    ensemble: Ensemble, pixels: Tensor, name: str, references: Sequence[str], caption: Translation
) -> CaptionedPicture:
    picture = ((pixels + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    masks = [_data_uri(_attention_mask(weights), "PNG") for weights in _attention(ensemble, name, caption)]
    words = list(zip(caption.tokens, masks, strict=True)) if masks else []
    return CaptionedPicture(name, _data_uri(picture, "JPEG"), caption.text, references, words)


def _attention(ensemble: Ensemble, name: str, caption: Translation) -> list[Tensor]:
    """Attention weights (S,) of each token of the caption; empty if the model has no attention."""
    if ensemble.model.decoder.attention is None:
        return []
    (weights,) = alignments(ensemble, [name], [caption.ids])
    return list(weights[: len(caption.ids)])


def _attention_mask(weights: Tensor) -> Pixels:
    """A black picture, one pixel a source position, the more transparent the larger the weight.

    The browser enlarges it smoothly over the picture.
    """
    side = math.isqrt(len(weights))
    relative = (weights / weights.max()).reshape(side, side).numpy()
    mask = np.zeros((side, side, 4), dtype=np.uint8)
    mask[..., 3] = (200 * (1 - relative)).round()
    return mask


def _data_uri(pixels: Pixels, kind: str) -> str:
    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.fromarray(pixels).save(stream, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(stream.getvalue()).decode()}"
