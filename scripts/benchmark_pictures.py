"""Pictures per second: reading files, the backbone in each precision and memory layout, and both together.

Synthetic photographs (JPEGs of noise). Alternatives are timed in turn within one run.

    .venv/bin/python scripts/benchmark_pictures.py [--device cuda] [--pictures 64] [--side 500]
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import PIL.Image
import torch

from seq2seq.corpus.images import read_image
from seq2seq.device import DeviceSpec, autocast, tune_process
from seq2seq.model.vision.efficientnet import EfficientNetLite0

_ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--pictures", type=int, default=64, help="in a batch")
    parser.add_argument("--side", type=int, default=500, help="pixels of a file's shorter side")
    options = parser.parse_args()
    files = [photograph(number, options.side) for number in range(options.pictures)]
    images = torch.stack([read_image(file) for file in files])
    works: dict[str, Callable[[], object]] = {"reading files": lambda: [read_image(file) for file in files]}
    backbone = EfficientNetLite0().eval().to(DeviceSpec.pick(options.device, "fp32").device)
    for precision in ("fp32", "bf16"):
        device_spec = DeviceSpec.pick(options.device, precision)
        tune_process(device_spec)
        for layout in (torch.contiguous_format, torch.channels_last):
            name = f"backbone, {precision}, {'channels last' if layout == torch.channels_last else 'channels first'}"
            works[name] = partial(run_backbone, backbone, images, device_spec, layout)
    both = DeviceSpec.pick(options.device, "bf16")
    works["reading and backbone, bf16, channels last"] = lambda: run_backbone(
        backbone, torch.stack([read_image(file) for file in files]), both, torch.channels_last
    )
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(_ROUNDS + 1):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            if number:
                times[name].append(time.perf_counter() - started)
    print(f"{torch.get_num_threads()} threads, {options.pictures} JPEGs of {options.side} × {options.side * 4 // 3}\n")
    print("| what | pictures/s |\n|---|---|")
    for name, seconds in times.items():
        print(f"| {name} | {options.pictures / statistics.median(seconds):.0f} |")


def photograph(number: int, side: int) -> bytes:
    """A JPEG of smooth noise, which takes as long to decode as a photograph."""
    generator = np.random.default_rng(number)
    coarse = generator.integers(0, 256, (side // 8, side // 6, 3), dtype=np.uint8)
    stream = io.BytesIO()
    PIL.Image.fromarray(coarse).resize((side * 4 // 3, side), PIL.Image.Resampling.BICUBIC).save(stream, "JPEG")
    return stream.getvalue()


def run_backbone(
    backbone: EfficientNetLite0, images: torch.Tensor, device_spec: DeviceSpec, layout: torch.memory_format
) -> None:
    """One forward pass; reading the sum waits for its end."""
    with torch.inference_mode(), autocast(device_spec.device, device_spec.dtype):
        float(backbone(images.to(device_spec.device).contiguous(memory_format=layout)).sum())


if __name__ == "__main__":
    main()
