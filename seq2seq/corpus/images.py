"""Images as tensors. Their files are not trusted.

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

if TYPE_CHECKING:  # Pillow is imported where an image is read
    import PIL.Image

SIZE = 224
"""Pixels of a side, as the backbone expects them."""
FORMATS = ("JPEG", "PNG", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
# A file of 200 kB can claim to hold pixels of 300 MB and more.
_MOST_PIXELS = 25_000_000
# The shorter side before the centre crop, as in the backbone's training.
_RESIZED = 256
# Smallest and largest area of a random crop, as a share of the largest square.
_AREAS = (0.5, 1.0)


def read_image(source: Path | bytes, *, name: str = "", chance: np.random.Generator | None = None) -> Tensor:
    """Reads an image for the backbone: upright, in RGB, its central square.

    Transparent pixels become white. The shorter side is resized to 256 (bicubic), the central 224 × 224 are kept.

    Args:
        source: a file, or its content.
        name: what to call it in errors; the file's path if empty.
        chance: for training: a random crop instead of the central one, and half of the images mirrored.

    Raises:
        CorpusError: not a JPEG, PNG or WebP, too large, cut off or damaged; names it.
    """
    import PIL.Image
    import PIL.ImageOps

    name = name or str(source if isinstance(source, Path) else "picture")
    try:
        with PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            # The header gives the size: no pixel has been decoded yet.
            if opened.width * opened.height > _MOST_PIXELS:
                raise CorpusError(
                    f"{name} has {opened.width} × {opened.height} pixels: expected at most "
                    f"{_MOST_PIXELS / 1e6:.0f} million; make it smaller"
                )
            return _to_tensor(_crop(_to_rgb(PIL.ImageOps.exif_transpose(opened)), chance))
    except CorpusError:
        raise
    except FileNotFoundError:
        raise CorpusError(f"{name} is missing") from None
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError, MemoryError) as error:
        raise CorpusError(f"{name}: expected a whole JPEG, PNG or WebP picture, found another file ({error})") from None


def _to_rgb(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Converts any mode: grey, palette, CMYK, 16 bits, with or without transparency."""
    import PIL.Image

    if image.mode.startswith("I") or image.mode == "F":
        # 16 and 32 bits: Pillow would clip them at 255 instead of scaling them.
        values = np.asarray(image, dtype=np.float64)
        image = PIL.Image.fromarray((255 * values / max(values.max(), 1)).astype(np.uint8))
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def _crop(image: "PIL.Image.Image", chance: np.random.Generator | None) -> "PIL.Image.Image":
    import PIL.Image

    # Only the crop is resized: a strip one pixel high would become millions of pixels wide.
    side = min(image.size) * (SIZE / _RESIZED if chance is None else math.sqrt(chance.uniform(*_AREAS)))
    across, down = (0.5, 0.5) if chance is None else chance.uniform(size=2)
    left, top = (image.width - side) * across, (image.height - side) * down
    crop = image.resize((SIZE, SIZE), PIL.Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
    mirrored = chance is not None and chance.random() < 0.5
    return crop.transpose(PIL.Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else crop


def _to_tensor(image: "PIL.Image.Image") -> Tensor:
    values = torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1)
    return values.permute(2, 0, 1).contiguous()
