"""Token embeddings.

Shapes: ``V`` vocabulary, ``E`` embedding.
"""

from torch import Tensor, nn
from torch.nn import functional


class Embedding(nn.Embedding):
    """A table (V, E) whose rows are multiplied by ``scale`` when they are looked up.

    A table that is also the output layer needs small entries, so that initial logits are small; a recurrent layer needs
    inputs of variance 1, or its state outweighs them. A factor of √E gives both (Vaswani et al. 2017, §3.4); without
    it the first minutes of training are wasted.

    Args:
        vocab: V.
        size: E.
        scale: factor of every vector that is looked up.
        word_dropout: probability that training zeroes the whole vector of a token and scales the others up (Sennrich
            et al. 2016, WMT, §2.3).
    """

    def __init__(self, vocab: int, size: int, *, scale: float, word_dropout: float = 0.0) -> None:
        super().__init__(vocab, size)
        self.scale = scale
        self.word_dropout = nn.Dropout1d(word_dropout)

    def reset_parameters(self) -> None:
        """Draws the table, unless it is on the meta device, where torch would import its compiler for it, seconds."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (B, T) to vectors (B, T, E)."""
        embedded: Tensor = self.word_dropout(functional.embedding(tokens, self.weight) * self.scale)
        return embedded
