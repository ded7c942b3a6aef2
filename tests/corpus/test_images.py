"""Pictures from strangers: every kind that is one is read, everything else is refused in one line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from seq2seq.corpus.images import read_image
from seq2seq.errors import CorpusError


def encoded(picture: PIL.Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **settings)
    return stream.getvalue()


def test_values_and_shape() -> None:
    image = read_image(encoded(PIL.Image.new("RGB", (300, 400), (255, 0, 127))))
    assert image.shape == (3, 224, 224)
    torch.testing.assert_close(image[:, 0, 0], torch.tensor([1.0, -1.0, -0.0039]), atol=1e-3, rtol=0)


def test_the_middle_square_is_kept() -> None:
    wide = np.zeros((256, 512, 3), np.uint8)
    wide[:, 128:384] = 255
    assert (read_image(encoded(PIL.Image.fromarray(wide))) > 0.99).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_formats(kind: str) -> None:
    assert read_image(encoded(PIL.Image.new("RGB", (64, 64), "red"), kind)).shape == (3, 224, 224)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_modes(mode: str) -> None:
    """White stays white, however it is written down."""
    values = {"1": 1, "L": 255, "LA": (255, 255), "P": 0, "RGBA": (255, 255, 255, 255), "I;16": 65535, "CMYK": (0,) * 4}
    picture = PIL.Image.new(mode, (32, 32), values[mode])
    if mode == "P":
        picture.putpalette([255, 255, 255])
    image = read_image(encoded(picture, "JPEG" if mode == "CMYK" else "PNG"))
    assert image.min() > 0.97


def test_transparent_pixels_are_white() -> None:
    assert read_image(encoded(PIL.Image.new("RGBA", (32, 32), (0, 0, 0, 0)))).min() > 0.99


def test_exif_orientation_is_obeyed() -> None:
    """A camera held upright: the picture lies on its side in the file."""
    sideways = np.zeros((100, 100, 3), np.uint8)
    sideways[:, :50] = 255  # left half white
    picture = PIL.Image.fromarray(sideways)
    exif = picture.getexif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    image = read_image(encoded(picture, "JPEG", exif=exif, quality=95))
    assert image[:, :100].mean() > 0.9
    assert image[:, 124:].mean() < -0.9


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims that many pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [5001, 14_000, 60_000])
def test_decompression_bombs_are_refused_before_they_go_off(side: int) -> None:
    with pytest.raises(CorpusError, match=r"expected at most 25 million|expected a whole"):
        read_image(bomb(side, side), name="bomb.png")


WHOLE = encoded(PIL.Image.effect_noise((200, 200), 60).convert("RGB"), "JPEG")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"a text file\n",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n",
        encoded(PIL.Image.new("RGB", (8, 8)), "GIF"),
        encoded(PIL.Image.new("RGB", (8, 8)), "TIFF"),
        WHOLE[: len(WHOLE) // 2],
        WHOLE[:20],
        encoded(PIL.Image.effect_noise((200, 200), 60))[:5000],
    ],
    ids=["empty", "text", "eps", "gif", "tiff", "half a jpeg", "a jpeg's head", "half a png"],
)
def test_what_is_no_whole_picture_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "renamed.jpg"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"none\.png is missing"):
        read_image(tmp_path / "none.png")


def test_crops_by_chance_stay_inside_and_repeat_with_their_seed() -> None:
    picture = encoded(PIL.Image.fromarray(np.arange(60 * 90 * 3, dtype=np.uint32).reshape(60, 90, 3).astype(np.uint8)))
    first, again, other = (read_image(picture, chance=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    white = encoded(PIL.Image.new("RGB", (60, 90), "white"))
    assert all(read_image(white, chance=np.random.default_rng(seed)).min() > 0.99 for seed in range(20))


def test_half_of_the_crops_by_chance_are_mirrored() -> None:
    left_white = np.zeros((64, 64, 3), np.uint8)
    left_white[:, :32] = 255
    picture = encoded(PIL.Image.fromarray(left_white))
    crops = [read_image(picture, chance=np.random.default_rng(seed)) for seed in range(60)]
    mirrored = sum(bool(crop[..., :112].mean() < crop[..., 112:].mean()) for crop in crops)
    assert 15 <= mirrored <= 45
