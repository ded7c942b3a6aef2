"""Images as tensors. Their files are not trusted.

Shapes: an image is (3, 224, 224), values from -1 to 1.
"""

import io
import math
import warnings
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
READING = 2
"""Part of caches' keys: increase it when the same file comes to give other pixels."""
# A file of 200 kB can claim to hold pixels of 300 MB and more.
_MOST_PIXELS = 25_000_000
# The tag of EXIF data that says how the camera was held.
_ORIENTATION = 0x0112
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

    name = name or str(source if isinstance(source, Path) else "picture")
    try:
        # Pillow's warnings about odd files would be lines between ours, or errors where a program makes them errors.
        with (
            warnings.catch_warnings(action="ignore"),
            PIL.Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened,
        ):
            # The header gives the size: no pixel has been decoded yet.
            if opened.width * opened.height > _MOST_PIXELS:
                raise CorpusError(
                    f"{name} has {opened.width} × {opened.height} pixels: expected at most "
                    f"{_MOST_PIXELS / 1e6:.0f} million; make it smaller"
                )
            opened.load()
            return _to_tensor(_crop(_to_rgb(_upright(opened)), chance))
    except CorpusError:
        raise
    except FileNotFoundError:
        raise CorpusError(f"{name} is missing") from None
    except Exception as error:
        # Pillow's parsers raise whatever the bytes lead them to: struct.error, TypeError, AttributeError, …
        if isinstance(error, OSError) and error.strerror:
            raise CorpusError(f"{name} cannot be read: {error.strerror}") from None
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        found = "another file" if isinstance(error, PIL.UnidentifiedImageError) else f"a damaged one ({reason})"
        raise CorpusError(f"{name}: expected a whole JPEG, PNG or WebP picture, found {found}") from None


def _upright(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Turns a picture as its EXIF data say; where they are damaged, it stays as it is.

    ``PIL.ImageOps.exif_transpose`` would read, and write again, all the rest of them.
    """
    import PIL.Image

    turns = PIL.Image.Transpose
    try:
        turn = {
            2: turns.FLIP_LEFT_RIGHT,
            3: turns.ROTATE_180,
            4: turns.FLIP_TOP_BOTTOM,
            5: turns.TRANSPOSE,
            6: turns.ROTATE_270,
            7: turns.TRANSVERSE,
            8: turns.ROTATE_90,
        }.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: "PIL.Image.Image") -> "PIL.Image.Image":
    """Converts any mode: grey, palette, CMYK, 16 bits, with or without transparency."""
    import PIL.Image

    if image.mode.startswith("I"):
        # Of the three formats only a grey PNG of 16 bits has such a mode. Pillow would clip it at 255.
        values = np.asarray(image, dtype=np.uint32)
        clear = values == image.info.get("transparency")
        image = PIL.Image.fromarray(np.where(clear, 255, (values + 128) // 257).astype(np.uint8))
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
