"""Regularisers that torch does not have.

Shapes: ``B`` batch, ``T`` time, ``H`` width.
"""

from torch import Tensor, nn


class VariationalDropout(nn.Dropout1d):
    """Dropout with one mask for all time steps of a sequence (Gal & Ghahramani 2016, §4)."""

    def forward(self, sequence: Tensor) -> Tensor:
        """Zeroes the same units of (B, T, H) at every step and scales the others up."""
        return super().forward(sequence.mT).mT
