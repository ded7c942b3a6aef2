"""The decoder: a recurrent language model of the target that starts from the source's state.

Shapes: ``B`` batch, ``T`` target length, ``E`` embedding, ``H`` width of a layer, ``F`` width of the
features that the output layer reads, ``V`` target vocabulary.
"""

from torch import Tensor, nn

from seq2seq.model.bridge import CopyBridge, ProjectBridge
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded, State


class Decoder(nn.Module):
    """Deep LSTM decoder (Sutskever et al. 2014, eq. 1): p(y_t | v, y_1 … y_{t-1}).

    The contract, for every decoder: ``start`` makes the first state, ``forward`` runs over whole
    sequences (teacher forcing), ``step`` goes on by one token, and the two agree.

    Args:
        embedding: of the target vocabulary, (V, E).
        stack: the recurrent layers.
        bridge: encoder state to decoder state.
        width: H of the top layer.
        tied: the output layer shares the embedding's weights (Press & Wolf 2017); a learned map goes
            before it where H differs from E.
    """

    def __init__(
        self,
        embedding: Embedding,
        stack: RecurrentStack,
        bridge: CopyBridge | ProjectBridge,
        *,
        width: int,
        tied: bool,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.stack = stack
        self.bridge = bridge
        features = embedding.embedding_dim if tied else width
        self.readout = nn.Identity() if features == width else nn.Linear(width, features, bias=False)
        self.output = nn.Linear(features, embedding.num_embeddings)
        if tied:
            self.output.weight = embedding.weight

    def start(self, encoded: Encoded) -> State:
        """The state before the first target token."""
        state: State = self.bridge(encoded.final)
        return state

    def forward(self, tgt_in: Tensor, state: State) -> Tensor:
        """Features (B, T, F) for all steps at once, given the right previous tokens ``tgt_in`` (B, T).

        Padding stands at the end, where a recurrence that only looks back cannot see it.
        """
        features, _ = self._advance(tgt_in, state)
        return features

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """One token on: ``token`` (B,) to logits (B, V) of the next one, and the state after it."""
        features, state = self._advance(token.unsqueeze(1), state)
        return self.output(features[:, 0]), state

    def _advance(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        outputs, state = self.stack(self.stack.dropout(self.embedding(tokens)), state)
        return self.readout(outputs), state
