"""Token embeddings.

Shapes: ``V`` vocabulary, ``E`` embedding.
"""

from torch import Tensor, nn
from torch.nn import functional


class Embedding(nn.Embedding):
    """A table (V, E) whose rows are multiplied by ``scale`` when they are read.

    A table that also serves as output layer wants small entries, so that the first logits are small; a
    recurrent layer wants inputs of size 1, or what it reads drowns in what it remembers. Multiplying by
    √E serves both (Vaswani et al. 2017, §3.4); without it the first minutes of training are lost.

    Args:
        vocab: V.
        size: E.
        scale: factor of what is read.
        word_dropout: probability with which training sees nothing in a token's place (Sennrich et al. 2016, WMT,
            §2.3): whole vectors are zero, the others scaled up.
    """

    def __init__(self, vocab: int, size: int, *, scale: float, word_dropout: float = 0.0) -> None:
        super().__init__(vocab, size)
        self.scale = scale
        self.word_dropout = nn.Dropout1d(word_dropout)

    def reset_parameters(self) -> None:
        """Draws the table, unless it has no storage: for that torch would import its compiler, which takes seconds."""
        if not self.weight.is_meta:
            super().reset_parameters()

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids (B, T) to vectors (B, T, E)."""
        embedded: Tensor = self.word_dropout(functional.embedding(tokens, self.weight) * self.scale)
        return embedded
