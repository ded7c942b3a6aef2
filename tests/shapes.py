"""Pictures that are made where they are needed: a shape of one colour somewhere on grey."""

import random
from pathlib import Path

import PIL.Image
import PIL.ImageDraw

COLOURS = ("red", "green", "blue", "yellow", "white", "black")
SHAPES = ("circle", "square", "triangle")


def draw_shape(colour: str, shape: str, generator: random.Random) -> PIL.Image.Image:
    """64 × 64 pixels."""
    picture = PIL.Image.new("RGB", (64, 64), "grey")
    pen = PIL.ImageDraw.Draw(picture)
    size = generator.randint(24, 40)
    left, top = generator.randint(4, 60 - size), generator.randint(4, 60 - size)
    box = (left, top, left + size, top + size)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(left, top + size), (left + size, top + size), (left + size / 2, top)], fill=colour)
    return picture


def make_corpus(folder: Path, sizes: dict[str, int], generator: random.Random) -> None:
    """A folder with pictures and ``captions.tsv``, so many pictures of each split, two captions each."""
    (folder / "images").mkdir(parents=True)
    lines = []
    for split, count in sizes.items():
        for number in range(count):
            colour, shape = generator.choice(COLOURS), generator.choice(SHAPES)
            name = f"{split}{number}.png"
            draw_shape(colour, shape, generator).save(folder / "images" / name)
            lines += [f"{name}\t{split}\ta {colour} {shape}\n", f"{name}\t{split}\tthe {shape} is {colour}\n"]
    (folder / "captions.tsv").write_text("".join(lines), encoding="utf-8")
