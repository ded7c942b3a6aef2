"""The decoder: a recurrent language model of the target that starts from what the encoder knows.

Shapes: ``B`` batch, ``T`` target length, ``S`` source length, ``E`` embedding, ``H`` width of a layer, ``M`` width
of the memory, ``C`` of the source_vector, ``F`` of the features that the output layer reads, ``V`` target vocabulary.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from seq2seq.model.attention import Attention
from seq2seq.model.bridge import Bridge
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import DecoderState, Encoded


class Decoder(nn.Module):
    """Deep recurrent decoder: p(y_t | source, y_1 … y_{t-1}) (Sutskever et al. 2014, eq. 1).

    The contract, for every decoder: ``start`` makes the first state, ``forward`` runs over whole
    sequences (teacher forcing), ``step`` goes on by one token, and the two agree.

    With attention the bottom layer asks, for all steps at once; the answers enter the layers above and the
    output, as in GNMT (Wu et al. 2016, §3), which asked with the step before. So no layer waits for
    another's last step, and whole sequences stay on fused kernels. Input feeding (Luong et al. 2015, §3.3) gives
    that up: each step reads the features of the step before.

    Args:
        embedding: of the target vocabulary, (V, E).
        bottom: the lowest recurrent layer.
        upper: those above; may have none.
        bridge: encoder to decoder.
        attention: None: the decoder has the bridge only.
        readout: what makes features of the top layer's output and all else that the output sees.
        tied: the output layer shares the embedding's weights (Press & Wolf 2017).
        input_feeding: read the features of the step before.
    """

    def __init__(
        self,
        embedding: Embedding,
        bottom: RecurrentStack,
        upper: RecurrentStack,
        bridge: Bridge,
        attention: Attention | None,
        readout: "Readout",
        *,
        tied: bool,
        input_feeding: bool,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.bottom = bottom
        self.upper = upper
        self.bridge = bridge
        self.attention = attention
        self.readout = readout
        self.input_feeding = input_feeding
        self.output = nn.Linear(readout.size, embedding.num_embeddings)
        if tied:
            self.output.weight = embedding.weight

    def start(self, encoded: Encoded) -> DecoderState:
        """The state before the first target token."""
        encoded = encoded.to(self.embedding.weight.device)
        init = self.bridge(encoded)
        return DecoderState(
            layers=init.state,
            memory=None if self.attention is None else self.attention.precompute(encoded),
            source_vector=init.source_vector,
            prev_features=encoded.memory.new_zeros(encoded.memory.shape[0], self.readout.size)
            if self.input_feeding
            else None,
            first_input=init.first_input,
        )

    def forward(self, tgt_in: Tensor, state: DecoderState) -> Tensor:
        """Features (B, T, F) for all steps at once, given the right previous tokens ``tgt_in`` (B, T).

        Padding stands at the end, where a recurrence that only looks back cannot see it.
        """
        return self._run(tgt_in, state)[0]

    def align(self, tgt_in: Tensor, state: DecoderState) -> Tensor:
        """Attention weights (B, T, S) of every step of :meth:`forward`.

        Raises:
            ValueError: the decoder has no attention.
        """
        weights = self._run(tgt_in, state)[1]
        if weights is None:
            raise ValueError('this model has no attention (model.attention = "none")')
        return weights

    def begin(self, state: DecoderState) -> DecoderState:
        """The state after what has to be read before the first token, if there is such a thing."""
        if state.first_input is None:
            return state
        return self._advance(state.first_input.unsqueeze(1), replace(state, first_input=None))[1]

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """One token on: ``token`` (B,) to logits (B, V) of the next one, and the state after it."""
        features, state, _ = self._advance(self.embedding(token.unsqueeze(1)), self.begin(state))
        return self.output(features[:, 0]).to(token.device), state

    def _run(self, tgt_in: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        """Features and attention weights of whole sequences."""
        embedded, given = self.embedding(tgt_in), state.first_input is not None
        if state.first_input is not None:
            # In one run with the tokens, so that masks drawn once for all steps are.
            embedded = torch.cat([state.first_input.unsqueeze(1), embedded], dim=1)
        if self.input_feeding:
            features, look = self._loop(embedded, state)
            return features[:, given:], look[:, given:]
        features, _, weights = self._advance(embedded, state)
        return features[:, given:], None if weights is None else weights[:, given:]

    def _loop(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, Tensor]:
        """The same one step at a time, as input feeding needs it."""
        outputs, looks = [], []
        for step in embedded.split(1, dim=1):
            features, state, look = self._advance(step, state)
            outputs.append(features)
            # Input feeding goes with attention only, so there are weights at every step.
            looks += [] if look is None else [look]
        return torch.cat(outputs, dim=1), torch.cat(looks, dim=1)

    def _advance(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """From embeddings (B, T, E) to features (B, T, F), the state after them and attention weights (B, T, S)."""
        embedded = self.bottom.dropout(embedded)
        inputs, seen = [embedded], []
        if state.source_vector is not None:
            source_vector = state.source_vector.unsqueeze(1).expand(-1, embedded.shape[1], -1)
            inputs.append(source_vector)
            seen += [source_vector, embedded]
        if state.prev_features is not None:
            inputs.append(state.prev_features.unsqueeze(1).to(embedded.device))
        bottom, upper = state.layers.split(1)
        outputs, bottom = self.bottom(inputs[0] if len(inputs) == 1 else torch.cat(inputs, dim=-1), bottom)
        context = weights = None
        if self.attention is not None and state.memory is not None:
            context, weights = self.attention(outputs, state.memory)
            seen.append(context)
        outputs, upper = self.upper(outputs, upper, context=context)
        features = self.readout(outputs, seen)
        prev_features = None if state.prev_features is None else features[:, -1]
        return features, replace(state, layers=upper.above(bottom), prev_features=prev_features), weights


class Readout(nn.Module):
    """What the output layer reads.

    The top layer's output alone, through a linear map if it has another width; or
    ``tanh(W [output; everything else])`` (Luong et al. 2015, eq. 5) where there is a context or a source_vector.

    Args:
        width: H of the top layer.
        beside: width of everything else.
        size: F.
    """

    def __init__(self, width: int, beside: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.combines = beside > 0
        self.map = nn.Identity() if size == width and not beside else nn.Linear(width + beside, size, bias=False)

    def forward(self, outputs: Tensor, seen: list[Tensor]) -> Tensor:
        """Outputs (B, T, H) and whatever else there is to features (B, T, F)."""
        seen = [part.to(outputs.device) for part in seen]
        features: Tensor = self.map(torch.cat([outputs, *seen], dim=-1) if seen else outputs)
        return torch.tanh(features) if self.combines else features
