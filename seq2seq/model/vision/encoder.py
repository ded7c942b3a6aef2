"""The image encoder: a convolutional network in place of the text encoder (Vinyals et al. 2015).

Shapes: ``B`` batch, ``S`` positions of the feature map (7 × 7 = 49), ``C`` its channels, ``M`` width of the memory.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import torch
from torch import Generator, Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.images import SIZE
from seq2seq.device import autocast
from seq2seq.model.encoders import Encoder
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded, State
from seq2seq.model.vision.backbone import Backbone


class ImageEncoder(Encoder):
    """A backbone's feature map, projected to the width of the memory.

    Without attention the feature map is averaged to one position (Vinyals et al. 2015, §3); with attention its
    positions are the memory (Xu et al. 2015, §3.1.1). While the backbone is frozen, batches hold feature maps, which
    are the same at every epoch and computed once (:mod:`seq2seq.model.vision.features`).

    Args:
        backbone: images to feature maps.
        width: M.
        grid: keep all positions of the feature map instead of their mean.
        dropout: on the memory.
    """

    def __init__(self, backbone: Backbone, *, width: int, grid: bool, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.project = nn.Linear(backbone.size, width)
        self.grid = grid
        self.dropout = nn.Dropout(dropout)
        self.stack = RecurrentStack([], nn.Identity(), [])
        self.output_size = width

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src``, feature maps (B, S, C) or pixels (B, 3, 224, 224).

        The final state has one layer, the mean of the memory.
        """
        features, dtype = batch.src, self.project.weight.dtype
        if features.dim() == 4:
            with autocast(features.device, dtype):
                features = flatten_maps(self.backbone(features.contiguous(memory_format=torch.channels_last)))
        features = features.to(dtype)
        if not self.grid:
            features = features.mean(1, keepdim=True)
        memory = self.dropout(torch.tanh(self.project(features)))
        mask = torch.ones(memory.shape[:2], dtype=torch.bool, device=memory.device)
        return Encoded(memory, mask, State((memory.mean(1),)))

    def example_inputs(self, lengths: Sequence[int], generator: Generator) -> dict[str, Tensor]:
        """As many ``pixels`` (B, 3, 224, 224) as there are lengths."""
        return {"pixels": torch.rand(len(lengths), 3, SIZE, SIZE, generator=generator) * 2 - 1}

    def backbone_parameters(self) -> list[nn.Parameter]:
        """All parameters of the backbone, trained or frozen."""
        return list(self.backbone.parameters())

    def cast(self, dtype: torch.dtype) -> None:
        """Casts all but the backbone, which keeps float32 weights and statistics and casts its own inputs."""
        self.project.to(dtype)

    def set_finetuning(self, on: bool) -> None:
        """Trains the backbone from now on, or freezes it."""
        self.backbone.requires_grad_(on)

    def load_pretrained(self, folder: Path) -> None:
        """Loads the published weights of the backbone, see its ``load_pretrained``."""
        self.backbone.load_pretrained(folder)

    def train(self, mode: bool = True) -> Self:
        """As in any module, but the backbone keeps its published normalisation statistics, even while it is trained."""
        super().train(mode)
        self.backbone.eval()
        return self


def flatten_maps(maps: Tensor) -> Tensor:
    """Feature maps (B, C, h, w) to positions (B, h · w, C), row by row."""
    return maps.flatten(2).mT
