"""Pictures from strangers: every kind that is one is read, everything else is refused in one line."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import PIL.JpegImagePlugin
import pytest
import torch
from torch import Tensor

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


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_is_turned_as_pillow_does(turn: int, kind: str) -> None:
    corners = np.zeros((64, 64, 3), np.uint8)
    corners[:32, :32], corners[:32, 32:], corners[32:, :32] = 255, 170, 85
    picture = PIL.Image.fromarray(corners)
    exif = picture.getexif()
    exif[0x0112] = turn
    picture.info["exif"] = exif.tobytes()
    upright = read_image(encoded(PIL.ImageOps.exif_transpose(picture)))
    turned = read_image(
        encoded(picture, kind, exif=exif, **{"JPEG": {"quality": 100}, "WEBP": {"lossless": True}}.get(kind, {}))
    )
    torch.testing.assert_close(turned, upright, atol=0.03, rtol=0)


@pytest.mark.parametrize("error", [struct.error, TypeError, AttributeError, RecursionError, MemoryError, UserWarning])
@pytest.mark.parametrize("place", ["open", "load"])
def test_whatever_pillow_raises_is_a_damaged_picture(
    error: type[Exception], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error("two\nlines")

    owner = PIL.Image if place == "open" else PIL.JpegImagePlugin.JpegImageFile
    monkeypatch.setattr(owner, place, fail)
    with pytest.raises(
        CorpusError, match=r"^a\.jpg: expected a whole JPEG, PNG or WebP picture, found a damaged one \(two lines\)"
    ):
        read_image(WHOLE, name="a.jpg")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_stop_is_no_damage(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise error

    monkeypatch.setattr(PIL.JpegImagePlugin.JpegImageFile, "load", stop)
    with pytest.raises(error):
        read_image(WHOLE)


def test_sixteen_bits_of_grey_are_what_eight_bits_are() -> None:
    """Dark stays dark: values are divided by their full scale, not by their own maximum."""
    for most in (255, 20, 1, 0):
        ramp = np.broadcast_to(np.linspace(0, most, 256).round(), (256, 256)).astype(np.uint16)
        eight, sixteen = (
            read_image(encoded(PIL.Image.fromarray(values))) for values in (ramp.astype(np.uint8), ramp * 257)
        )
        torch.testing.assert_close(sixteen, eight, atol=2 / 255, rtol=0)  # one step of 255, on a scale of -1 to 1
    between = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    image = (read_image(encoded(PIL.Image.fromarray(between)))[0].mean(1) + 1) / 2
    rows = torch.arange(16, 240) / 255
    torch.testing.assert_close(image, rows, atol=1 / 255, rtol=0)


def test_a_transparent_grey_of_sixteen_bits_is_white() -> None:
    values = np.full((32, 32), 1000, np.uint16)
    assert read_image(encoded(PIL.Image.fromarray(values), transparency=1000)).min() > 0.99
    assert read_image(encoded(PIL.Image.fromarray(values), transparency=1001)).max() < -0.9


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"cannot be read: Is a directory"):
        read_image(tmp_path)


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


WIDTH, HEIGHT = 300, 256
# Red tells how far right a pixel lies, green how far down.
RAMP = np.stack(
    [
        np.broadcast_to(np.linspace(0, 255, WIDTH), (HEIGHT, WIDTH)),
        np.broadcast_to(np.linspace(0, 255, HEIGHT)[:, None], (HEIGHT, WIDTH)),
        np.zeros((HEIGHT, WIDTH)),
    ],
    axis=2,
)
RAMP_FILE = encoded(PIL.Image.fromarray(RAMP.round().astype(np.uint8)))


def crop_box(image: Tensor) -> tuple[float, float, float, bool]:
    """Side, left and top of a crop of ``RAMP_FILE`` in its pixels, to about two pixels, and if it is mirrored."""
    (left, right), (top, bottom) = (
        (float(edges[0]) * size, float(edges[1]) * size)
        for edges, size in (
            ((image[0][:, [0, -1]].mean(0) + 1) / 2, WIDTH),
            ((image[1][[0, -1]].mean(1) + 1) / 2, HEIGHT),
        )
    )
    assert abs(abs(right - left) - (bottom - top)) < 5  # a square
    return bottom - top, min(left, right), top, left > right


def test_without_chance_the_central_square_is_kept() -> None:
    """As the backbone was trained: of 256 pixels the middle 224."""
    side, left, top, mirrored = crop_box(read_image(RAMP_FILE))
    assert (side, left, top) == pytest.approx((224, (WIDTH - 224) / 2, (HEIGHT - 224) / 2), abs=2)
    assert not mirrored


def test_random_crops_repeat_with_the_state_of_their_generator() -> None:
    first, again, other = (read_image(RAMP_FILE, chance=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    one, two = (np.random.default_rng(1) for _ in range(2))
    assert all(torch.equal(*(read_image(RAMP_FILE, chance=chance) for chance in (one, two))) for _ in range(3))


def test_images_that_share_a_generator_are_each_cropped_in_another_way() -> None:
    chance = np.random.default_rng(3)
    boxes = {crop_box(read_image(RAMP_FILE, chance=chance)) for _ in range(8)}
    assert len(boxes) == 8


def test_random_crops_keep_half_to_all_of_the_area_anywhere_inside_and_half_are_mirrored() -> None:
    chance = np.random.default_rng(20140910)
    boxes = [crop_box(read_image(RAMP_FILE, chance=chance)) for _ in range(200)]
    areas = np.array([(side / HEIGHT) ** 2 for side, *_ in boxes])
    assert 0.48 < areas.min() < 0.55
    assert 0.95 < areas.max() < 1.03
    assert areas.mean() == pytest.approx(0.75, abs=0.05)
    # From 0 (left, top) to 1 (right, bottom), of crops small enough to tell.
    shares = np.array([(left / (WIDTH - side), top / (HEIGHT - side)) for side, left, top, _ in boxes if side < 236])
    assert np.all((shares.min(0) > -0.1) & (shares.min(0) < 0.1))
    assert np.all((shares.max(0) > 0.9) & (shares.max(0) < 1.1))
    assert shares.mean(0) == pytest.approx([0.5, 0.5], abs=0.1)
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.4
    # Of 200 fair coins fewer than 65 or more than 135 show heads once in a million times.
    assert 65 <= sum(mirrored for *_, mirrored in boxes) <= 135


def test_random_crops_stay_inside() -> None:
    white = encoded(PIL.Image.new("RGB", (60, 90), "white"))
    assert all(read_image(white, chance=np.random.default_rng(seed)).min() > 0.99 for seed in range(20))
