"""Noise that keeps a model from learning its corpus by heart.

Shapes: ``B`` batch, ``T`` time, ``H`` width.
"""

from torch import Tensor, nn
from torch.nn import functional


class VariationalDropout(nn.Module):
    """Dropout with one mask for all time steps of a sequence (Gal & Ghahramani 2016, §4)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, sequence: Tensor) -> Tensor:
        """Zeroes the same entries of (B, T, H) at every step and scales the others up."""
        if not (self.training and self.probability):
            return sequence
        return sequence * functional.dropout(sequence.new_ones(len(sequence), 1, sequence.shape[2]), self.probability)


class WordDropout(nn.Module):
    """Zeroes whole embeddings, so that no single word can be relied on (Sennrich et al. 2016, WMT, §2.3)."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, embedded: Tensor) -> Tensor:
        """Drops positions of (B, T, H) and scales the others up."""
        if not (self.training and self.probability):
            return embedded
        return embedded * functional.dropout(embedded.new_ones(*embedded.shape[:2], 1), self.probability)
