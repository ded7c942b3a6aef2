"""The encoder of pictures: a convolutional network takes the text encoder's place (Vinyals et al. 2015).

Shapes: ``B`` batch, ``S`` positions of the feature map (7 × 7 = 49), ``C`` its channels, ``M`` width of the memory.
"""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.state import Encoded, State
from seq2seq.model.vision.backbone import Backbone


class ImageEncoder(nn.Module):
    """What a backbone saw, made as wide as the decoder wants it.

    Without attention the feature map is averaged to one position (Vinyals et al. 2015, §3); with attention its
    positions are the memory (Xu et al. 2015, §3.1.1). While the backbone stays as it was published, batches hold
    feature maps, which are the same at every epoch and computed once (:mod:`seq2seq.model.vision.features`).

    Args:
        backbone: pictures to feature maps.
        width: M.
        grid: keep the positions apart.
        dropout: on the memory.
    """

    def __init__(self, backbone: Backbone, *, width: int, grid: bool, dropout: float) -> None:
        super().__init__()
        self.backbone = backbone.requires_grad_(False)
        self.project = nn.Linear(backbone.size, width)
        self.grid = grid
        self.dropout = nn.Dropout(dropout)
        self.output_size = width

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src``, feature maps (B, S, C) or pixels (B, 3, 224, 224).

        The final state has one layer, the memory's mean.
        """
        features = batch.src
        if features.dim() == 4:
            features = flat(self.backbone(features.contiguous(memory_format=torch.channels_last)))
        if not self.grid:
            features = features.mean(1, keepdim=True)
        memory = self.dropout(torch.tanh(self.project(features)))
        mask = torch.ones(memory.shape[:2], dtype=torch.bool, device=memory.device)
        return Encoded(memory, mask, State((memory.mean(1),)))

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters with a learning rate of their own."""
        return list(self.backbone.parameters())

    def set_finetuning(self, on: bool) -> None:
        """Lets the backbone learn, or freezes it."""
        self.backbone.requires_grad_(on)

    def load_pretrained(self, folder: Path) -> None:
        """Loads the backbone's published weights, downloaded to ``folder`` once."""
        self.backbone.load_pretrained(folder)

    def train(self, mode: bool = True) -> Self:
        """As in any module, but the backbone goes on normalising as it was published, even while it learns."""
        super().train(mode)
        self.backbone.eval()
        return self


def flat(maps: Tensor) -> Tensor:
    """Feature maps (B, C, h, w) as positions (B, h · w, C), row by row."""
    return maps.flatten(2).mT
