"""Pictures as tensors, read with suspicion: a picture is a stranger's file.

Shapes: an image is (3, 224, 224), values from -1 to 1.
"""

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from seq2seq.errors import CorpusError

if TYPE_CHECKING:  # Pillow is imported where a picture is read
    import PIL.Image

SIZE = 224
"""Pixels of a side, as the backbone wants them."""
FORMATS = ("JPEG", "PNG", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# A file of 200 kB can claim pixels for 300 MB and more; photographs of phones have up to 50 million, web pictures few.
_MOST_PIXELS = 25_000_000
# The shorter side before the middle is cut out, as the backbone was trained.
_RESIZED = 256
# Smallest and largest share of the largest square that a crop by chance keeps.
_AREAS = (0.5, 1.0)


def read_image(source: Path | bytes, *, name: str = "", chance: np.random.Generator | None = None) -> Tensor:
    """A picture the way the backbone reads it: upright, in colour, its middle square.

    Transparent pixels become white. The shorter side is resized to 256 (bicubic), the middle 224 × 224 kept.

    Args:
        source: a file, or its content.
        name: what to call it in errors; the file's path if empty.
        chance: draws another square than the middle one, and mirrors half of the pictures: for training.

    Raises:
        CorpusError: not a JPEG, PNG or WebP, too large, cut off or damaged; names it.
    """
    import PIL.Image
    import PIL.ImageOps

    name = name or str(source if isinstance(source, Path) else "picture")
    try:
        with PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            # The size stands in the header: no pixel has been decoded yet.
            if opened.width * opened.height > _MOST_PIXELS:
                raise CorpusError(
                    f"{name} has {opened.width} × {opened.height} pixels: expected at most "
                    f"{_MOST_PIXELS / 1e6:.0f} million; make it smaller"
                )
            picture = PIL.ImageOps.exif_transpose(opened)
            return _to_tensor(_square(_in_colour(picture), chance))
    except CorpusError:
        raise
    except FileNotFoundError:
        raise CorpusError(f"{name} is missing") from None
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError, MemoryError) as error:
        raise CorpusError(f"{name}: expected a whole JPEG, PNG or WebP picture, found another file ({error})") from None


def _in_colour(picture: "PIL.Image.Image") -> "PIL.Image.Image":
    """RGB, whatever it was: grey, palette, CMYK, 16 bits, with or without transparency."""
    import PIL.Image

    if picture.mode.startswith("I") or picture.mode == "F":
        # 16 and 32 bits: Pillow would cut them off at 255 instead of scaling them.
        values = np.asarray(picture, dtype=np.float64)
        picture = PIL.Image.fromarray((255 * values / max(values.max(), 1)).astype(np.uint8))
    if picture.has_transparency_data:
        upper = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", upper.size, "white")
        picture = PIL.Image.alpha_composite(white, upper)
    return picture.convert("RGB")


def _square(picture: "PIL.Image.Image", chance: np.random.Generator | None) -> "PIL.Image.Image":
    import PIL.Image

    # Only what will be kept is resized, or a strip one pixel high would become millions wide.
    side = min(picture.size) * (SIZE / _RESIZED if chance is None else math.sqrt(chance.uniform(*_AREAS)))
    across, down = (0.5, 0.5) if chance is None else chance.uniform(size=2)
    left, top = (picture.width - side) * across, (picture.height - side) * down
    square = picture.resize((SIZE, SIZE), PIL.Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    mirrored = chance is not None and chance.random() < 0.5
    return square.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else square


def _to_tensor(picture: "PIL.Image.Image") -> Tensor:
    values = torch.from_numpy(np.asarray(picture, dtype=np.float32) / 127.5 - 1)
    return values.permute(2, 0, 1).contiguous()
