"""The pictures of a corpus, as features computed once or as pixels.

Shapes: ``N`` pictures, ``S`` positions (49), ``C`` channels (1280).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.corpus.captions import image_reader
from seq2seq.corpus.images import READING, read_image
from seq2seq.corpus.prepared import Prepared
from seq2seq.device import DeviceSpec, autocast
from seq2seq.files.cache import find_or_make
from seq2seq.model.vision.backbone import build_backbone, published_version
from seq2seq.model.vision.encoder import flatten_maps

Maps = npt.NDArray[np.float16 | np.float32]
_BATCH = 32
_MAPS = "maps.npy"


class Pictures:
    """The pictures of a prepared corpus, by name.

    Args:
        prepared: the corpus.
        config: its recipe.
        device_spec: where features are computed, and in which precision.
    """

    def __init__(self, prepared: Prepared, config: Config, device_spec: DeviceSpec) -> None:
        self.read = image_reader(config.data)
        self._names = prepared.images
        self._rows = {name: row for row, name in enumerate(prepared.images)}
        self._name = config.model.backbone
        self._downloads = Path(config.data.directory) / "downloads"
        # Whatever makes other features of the same names. TF32 makes a GPU's float32 other than a CPU's.
        makers = [READING, self._name, published_version(self._name), str(device_spec.dtype), device_spec.device.type]
        key = hashlib.sha256(json.dumps([prepared.report["fingerprint"], *makers]).encode()).hexdigest()[:16]
        self._folder = prepared.folder.with_name(f"{prepared.folder.name}-features-{key}")
        self._device_spec = device_spec
        self._maps: Maps | None = None

    def look(self, names: Sequence[str], *, pixels: bool, chance: np.random.Generator | None = None) -> Tensor:
        """Inputs of an image encoder: pixels if its backbone is or was fine-tuned, else features."""
        return self.pixels(names, chance) if pixels else self.features(names)

    def features(self, names: Sequence[str]) -> Tensor:
        """Feature maps (N, S, C) of the published backbone, in float32.

        They are the same for all runs on a corpus in one precision, and those that the backbone makes of the pixels:
        the first call computes those of all pictures, unless they are on disk. Stored as float32 if that is the
        precision, else as float16: half the space, and no less exact than bfloat16.
        """
        if self._maps is None:
            find_or_make(self._folder, self._compute_all)
            self._maps = np.load(self._folder / _MAPS, mmap_mode="r")
        return torch.from_numpy(self._maps[[self._rows[name] for name in names]]).float()

    def pixels(self, names: Sequence[str], chance: np.random.Generator | None = None) -> Tensor:
        """Pixels (N, 3, 224, 224); with ``chance`` randomly cropped and mirrored."""
        return torch.stack([read_image(self.read(name), name=name, chance=chance) for name in names])

    def _compute_all(self, folder: Path) -> None:
        backbone = build_backbone(self._name)
        backbone.load_pretrained(self._downloads)
        backbone.eval().to(self._device_spec.device)
        table: Any = None  # numpy's type stubs lack open_memmap's result
        names = self._names
        stored = torch.float32 if self._device_spec.dtype == torch.float32 else torch.float16
        bar = tqdm(total=len(names), desc="looking at pictures", unit=" pictures", delay=2, disable=None)
        with bar, torch.inference_mode(), autocast(self._device_spec.device, self._device_spec.dtype):
            for start in range(0, len(names), _BATCH):
                pixels = self.pixels(names[start : start + _BATCH]).to(self._device_spec.device)
                maps = flatten_maps(backbone(pixels.contiguous(memory_format=torch.channels_last)))
                features = maps.to(stored).cpu().numpy()
                if table is None:
                    shape = len(names), *features.shape[1:]
                    table = np.lib.format.open_memmap(folder / _MAPS, mode="w+", dtype=features.dtype, shape=shape)
                table[start : start + len(features)] = features
                bar.update(len(features))
        table.flush()
