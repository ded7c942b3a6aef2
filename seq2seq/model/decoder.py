"""The decoder: a recurrent language model of the target, conditioned on the encoder's output.

Shapes: ``B`` batch, ``T`` target length, ``S`` source length, ``E`` embedding, ``H`` width of a layer, ``M`` width
of the memory, ``C`` of the source vector, ``F`` of the features that the output layer reads, ``V`` target vocabulary.
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

    The contract: ``start`` makes the initial state, ``forward`` runs over whole sequences (teacher forcing), ``step``
    advances by one token, and the two agree.

    Attention queries are the outputs of the bottom layer, for all steps at once; contexts enter the layers above and
    the readout. GNMT (Wu et al. 2016, §3) queries with the previous step instead; here no layer waits for another's
    previous step, so whole sequences run on fused kernels. Input feeding (Luong et al. 2015, §3.3) gives that up: each
    step reads the features of the previous one.

    Args:
        embedding: of the target vocabulary, (V, E).
        bottom: the lowest recurrent layer.
        upper: the layers above; may have none.
        bridge: encoder to decoder.
        attention: None: the bridge alone passes the source on.
        readout: top layer's output, context and the like to features.
        tied: the output layer shares the embedding's weights (Press & Wolf 2017).
        input_feeding: each step reads the features of the previous one.
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
        """Encoder output to the state before the first target token."""
        encoded = encoded.to(self.embedding.weight)
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
        """Features (B, T, F) for all steps at once, given the reference's previous tokens ``tgt_in`` (B, T).

        No mask is needed: padding is at the end, and no step depends on later ones.
        """
        return self._teacher_forced(tgt_in, state)[0]

    def align(self, tgt_in: Tensor, state: DecoderState) -> Tensor:
        """Attention weights (B, T, S) of every step of :meth:`forward`.

        Raises:
            ValueError: the decoder has no attention.
        """
        weights = self._teacher_forced(tgt_in, state)[1]
        if weights is None:
            raise ValueError('this model has no attention (model.attention = "none")')
        return weights

    def read_first_input(self, state: DecoderState) -> DecoderState:
        """The state after the first input, if the bridge gave one and it has not been read yet."""
        if state.first_input is None:
            return state
        return self._advance(state.first_input.unsqueeze(1), replace(state, first_input=None))[1]

    def step(self, token: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Previous tokens ``token`` (B,) to logits (B, V) of the next ones, and the state after this step."""
        features, state, _ = self._advance(self.embedding(token.unsqueeze(1)), self.read_first_input(state))
        return self.output(features[:, 0]).to(token.device), state

    def _teacher_forced(self, tgt_in: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None]:
        """Features (B, T, F) and attention weights (B, T, S) of whole sequences."""
        embedded, skipped = self.embedding(tgt_in), 0
        if state.first_input is not None:
            # In one run with the tokens, so that dropout masks drawn once for all steps cover both.
            embedded, skipped = torch.cat([state.first_input.unsqueeze(1), embedded], dim=1), 1
        advance = self._advance_stepwise if self.input_feeding else self._advance
        features, _, weights = advance(embedded, state)
        return features[:, skipped:], None if weights is None else weights[:, skipped:]

    def _advance_stepwise(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """As :meth:`_advance`, one step at a time, since with input feeding each step reads the previous features."""
        all_features, all_weights = [], []
        for step in embedded.split(1, dim=1):
            features, state, weights = self._advance(step, state)
            all_features.append(features)
            all_weights += [] if weights is None else [weights]
        return torch.cat(all_features, dim=1), state, torch.cat(all_weights, dim=1) if all_weights else None

    def _advance(self, embedded: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Embeddings (B, T, E) to features (B, T, F), the state after them and attention weights (B, T, S)."""
        bottom_state, upper_state = state.layers.split(1)
        # 1. Inputs of the bottom layer: embedding, source vector (B, C) and previous features (B, F), if there are any.
        embedded = self.bottom.dropout(embedded)
        inputs, readout_extras = [embedded], []
        if state.source_vector is not None:
            source_vector = state.source_vector.unsqueeze(1).expand(-1, embedded.shape[1], -1)
            inputs.append(source_vector)
            readout_extras += [source_vector, embedded]
        if state.prev_features is not None:
            inputs.append(state.prev_features.unsqueeze(1).to(embedded.device))
        # 2. Bottom layer, (B, T, H).
        outputs, bottom_state = self.bottom(inputs[0] if len(inputs) == 1 else torch.cat(inputs, -1), bottom_state)
        # 3. Attention: its outputs query the memory for contexts (B, T, M).
        context = weights = None
        if self.attention is not None and state.memory is not None:
            context, weights = self.attention(outputs, state.memory)
            readout_extras.append(context)
        # 4. Upper layers read the context too, (B, T, H).
        outputs, upper_state = self.upper(outputs, upper_state, context=context)
        # 5. Readout, (B, T, F).
        features = self.readout(outputs, readout_extras)
        prev_features = None if state.prev_features is None else features[:, -1]
        return features, replace(state, layers=upper_state.above(bottom_state), prev_features=prev_features), weights


class Readout(nn.Module):
    """Makes the features that the output layer reads.

    ``tanh(W [output; extras])`` (Luong et al. 2015, eq. 5) if there are extras, such as the context. Without them
    ``W output``, or the output as it is if the widths are equal.

    Args:
        width: H of the top layer.
        extra_size: width of all extras together.
        size: F.
    """

    def __init__(self, width: int, extra_size: int, size: int) -> None:
        super().__init__()
        self.size = size
        bare = size == width and not extra_size
        self.map = nn.Identity() if bare else nn.Linear(width + extra_size, size, bias=False)

    def forward(self, outputs: Tensor, extras: list[Tensor]) -> Tensor:
        """Top layer's outputs (B, T, H) and extras (B, T, …) to features (B, T, F)."""
        if not extras:
            features: Tensor = self.map(outputs)
            return features
        return torch.tanh(self.map(torch.cat([outputs, *(extra.to(outputs.device) for extra in extras)], dim=-1)))
