"""Damaged pictures: a tensor or a ``CorpusError`` comes of any bytes, in a second and in bounded memory."""

import io
import os
import random
import struct
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from seq2seq.corpus.images import read_image
from seq2seq.errors import CorpusError

MANY = 10_000 if os.environ.get("RELIABILITY") == "full" else 2_500

SEED = 14
NOISE = np.random.default_rng(SEED).integers(0, 256, (40, 48, 4), dtype=np.uint8)
# 25 million pixels of four bytes each, in at most eight copies: as decoded (for which WebP alone needs three), turned,
# with transparency, on white.
MOST_MEMORY = 8 * 4 * 25_000_000


def memory(field: str) -> int:
    """Bytes of this process: ``VmRSS`` as now, ``VmHWM`` the most since :func:`forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])


def forget_peak() -> int:
    """Memory in use; the peak is measured from here."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return memory("VmRSS")


def encoded(picture: PIL.Image.Image, kind: str, **settings: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **settings)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    """A camera's EXIF block: numbers, fractions, texts, a table within."""
    block = PIL.Image.Exif()
    block[0x0112] = orientation
    block[0x010F], block[0x0110], block[0x0132] = "a maker", "a model", "2024:01:01 00:00:00"
    block[0x011A], block[0x011B], block[0x0128] = 72.0, 72.0, 2
    inner = block.get_ifd(0x8769)
    inner[0x829A], inner[0x9003], inner[0xA002], inner[0xA003] = (1, 125), "2024:01:01 00:00:00", 48, 40
    return block.tobytes()


def interlaced(pixels: np.ndarray) -> bytes:
    """A PNG of eight bits in Adam7's order, which Pillow reads but does not write."""
    rows = bytearray()
    for left, top, across, down in (
        (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)
    ):  # fmt: skip
        for row in pixels[top::down, left::across]:
            rows += b"\0" + row.tobytes()
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(rows))), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def samples() -> dict[str, bytes]:
    """Whole pictures of every kind that is read."""
    clear = PIL.Image.fromarray(NOISE)
    colour, grey = clear.convert("RGB"), clear.convert("L")
    made = {f"jpeg turned {turn}": encoded(colour, "JPEG", exif=exif(turn)) for turn in range(1, 9)}
    made |= {
        "jpeg progressive": encoded(colour, "JPEG", progressive=True),
        "jpeg cmyk": encoded(colour.convert("CMYK"), "JPEG", exif=exif(6)),
        "jpeg grey": encoded(grey, "JPEG"),
        "png": encoded(colour, "PNG", exif=exif(3)),
        "png palette": encoded(colour.convert("P"), "PNG", transparency=3),
        "png two colours": encoded(colour.convert("1"), "PNG"),
        "png 16 bits": encoded(PIL.Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257), "PNG"),
        "png transparent": encoded(clear, "PNG"),
        "png interlaced": interlaced(NOISE[..., 0]),
        "webp": encoded(colour, "WEBP", exif=exif(8)),
        "webp lossless": encoded(clear, "WEBP", lossless=True),
    }
    return made


SAMPLES = samples()


def mutate(content: bytes, chance: random.Random) -> bytes:
    """Flips, cuts, copies and inserts; half of the time in the first 400 bytes, where headers and EXIF are."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        end = min(400, len(made)) if chance.random() < 0.5 else len(made)
        start = chance.randrange(end) if end else 0
        stop = min(len(made), start + chance.choice((1, 2, 4, 12, 60)))
        match chance.randrange(6):
            case 0 if made:
                made[start] ^= 1 << chance.randrange(8)
            case 1:
                made[start:stop] = chance.randbytes(stop - start)
            case 2:
                made[start:stop] = chance.choice((b"\0", b"\xff", b"\x7f")) * (stop - start)
            case 3:
                made[start:start] = made[start:stop]
            case 4:
                del made[start:stop]
            case 5 if chance.random() < 0.2:
                del made[start:]
    # A flipped bit alone would only ever show that the sum of a PNG's chunk is wrong.
    return with_right_sums(bytes(made)) if chance.random() < 0.7 else bytes(made)


def with_right_sums(content: bytes) -> bytes:
    """The same PNG with the checksums of its chunks put right; other files as they are."""
    made, at = bytearray(content), 8
    while content.startswith(b"\x89PNG") and at + 12 <= len(made):
        end = at + 8 + struct.unpack_from(">I", made, at)[0]
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(made[at + 4 : end]))
        at = end + 4
    return bytes(made)


def outcome(content: bytes) -> str:
    """Reads a picture, checks what comes of it and returns its kind."""
    started = time.process_time()
    message, image = "", None
    try:
        image = read_image(content, name="picture")
    except CorpusError as error:
        message = str(error)
    assert time.process_time() - started < 1
    if image is None:
        assert message.startswith("picture")
        assert "\n" not in message
        assert len(message) < 400
        return "refused"
    assert image.shape == (3, 224, 224)
    assert image.dtype == torch.float32
    assert torch.isfinite(image).all()
    assert -1 <= image.min() <= image.max() <= 1
    return "read"


def fuzz(count: int) -> Counter[str]:
    chance, counts = random.Random(SEED), Counter()
    before = forget_peak()
    for number in range(count):
        name = chance.choice(list(SAMPLES))
        content = mutate(SAMPLES[name], chance)
        try:
            counts[outcome(content)] += 1
        except BaseException as error:
            raise AssertionError(f"seed {SEED}, input {number}, of {name!r}: {error!r}") from error
    assert memory("VmHWM") - before < MOST_MEMORY
    print(count, dict(counts))
    return counts


def test_every_sample_is_read() -> None:
    assert {name: outcome(content) for name, content in SAMPLES.items()} == dict.fromkeys(SAMPLES, "read")


@pytest.mark.parametrize("policy", ["error", "default"])
def test_a_damaged_picture_is_read_or_refused_whatever_pillow_raises(policy: str) -> None:
    with warnings.catch_warnings(record=policy == "default") as printed:
        warnings.simplefilter(policy)
        counts = fuzz(400)
    assert not printed  # Pillow's warnings would be lines between ours
    assert min(counts["read"], counts["refused"]) > 40


@pytest.mark.slow
def test_thousands_of_damaged_pictures_are_read_or_refused() -> None:
    counts = fuzz(MANY)
    assert min(counts["read"], counts["refused"]) > MANY / 10


def test_a_damaged_exif_block_means_upright_and_not_damaged() -> None:
    """What stands in the way of reading the orientation means upright: the pixels are whole."""
    chance = random.Random(SEED)
    picture = PIL.Image.fromarray(NOISE).convert("RGB")
    for kind in ("JPEG", "PNG", "WEBP"):
        for _ in range(60):
            block = mutate(exif(chance.randint(1, 8)), chance)[:65_000]
            content = encoded(picture, kind, exif=block) if block else encoded(picture, kind)
            assert outcome(content) == "read"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
def test_the_largest_pictures_stay_within_the_caps_memory(kind: str) -> None:
    pixels = np.tile(NOISE, (125, 105, 1))[:5000, :5000]
    picture = PIL.Image.fromarray(pixels)
    settings = {"JPEG": {"progressive": True}, "WEBP": {"method": 0}, "PNG": {"compress_level": 1}}[kind]
    content = encoded(picture.convert("RGB") if kind == "JPEG" else picture, kind, exif=exif(6), **settings)
    del picture, pixels
    before = forget_peak()
    assert read_image(content).shape == (3, 224, 224)
    assert memory("VmHWM") - before < MOST_MEMORY
