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
    """

    def __init__(self, vocab: int, size: int, *, scale: float) -> None:
        super().__init__(vocab, size)
        self.scale = scale

    def forward(self, tokens: Tensor) -> Tensor:
        """Token ids of any shape (…) to vectors (…, E)."""
        return functional.embedding(tokens, self.weight) * self.scale
