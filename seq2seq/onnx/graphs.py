"""The two halves of a model as functions from tensors to tensors, by name, which is what ONNX can express.

Shapes: ``B`` batch, ``S`` source length, ``V`` vocabulary.
"""

import torch
from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import EOS, PAD
from seq2seq.model.recurrent import reverse
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import AttentionMemory, DecoderState, State
from seq2seq.onnx.onnx_parts import for_onnx

NEXT = "_next"
"""Suffix of a new state tensor that a step returns; without it, it is the name of the input that it replaces."""


class EncoderGraph(nn.Module):
    """From sources to the decoder's initial state.

    Args:
        model: any model of the package.
        reverse_source: the model reads sources back to front.
    """

    def __init__(self, model: Seq2Seq, *, reverse_source: bool) -> None:
        super().__init__()
        self.encoder = for_onnx(model.encoder)
        self.decoder = model.decoder
        self.reverse_source = reverse_source

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the initial state.

        Args:
            inputs: ``src``, token ids (B, S) without end marks, and ``lengths`` (B,); or ``pixels`` (B, 3, 224, 224),
                red, green and blue from -1 to 1.
        """
        if "pixels" in inputs:
            pixels = inputs["pixels"]
            batch = Batch(pixels, pixels.new_ones(pixels.shape[0]), pixels, pixels)
        else:
            src = with_end_marks(inputs["src"], inputs["lengths"], reverse_source=self.reverse_source)
            batch = Batch(src, inputs["lengths"] + 1, src, src)
        return state_to_tensors(self.decoder.read_first_input(self.decoder.start(self.encoder(batch))))


class StepGraph(nn.Module):
    """One decoder step.

    Args:
        model: any model of the package.
    """

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``log_probs`` (B, V) of the next token, and the recurrent tensors of the new state, as ``…_next``.

        Args:
            inputs: ``token`` (B,), the previous token, and the tensors of the state.
        """
        logits, state = self.decoder.step(inputs["token"], tensors_to_state(inputs))
        recurrent = {name: tensor for name, tensor in state_to_tensors(state).items() if is_recurrent(name)}
        log_probs = torch.log_softmax(logits, dim=-1)
        return {"log_probs": log_probs} | {name + NEXT: tensor for name, tensor in recurrent.items()}


def state_to_tensors(state: DecoderState) -> dict[str, Tensor]:
    """A decoder's state by name: ``hidden_0``, …, ``cell_0``, …, ``prev_features``, ``source_vector``, ``memory_…``."""
    tensors: dict[str, Tensor | None] = {f"hidden_{index}": hidden for index, hidden in enumerate(state.layers.hidden)}
    tensors |= {f"cell_{index}": cell for index, cell in enumerate(state.layers.cell)}
    tensors |= {"prev_features": state.prev_features, "source_vector": state.source_vector}
    if (memory := state.memory) is not None:
        # The keys of dot attention are the values.
        tensors["memory_keys"] = None if memory.keys is memory.values else memory.keys
        tensors |= {"memory_values": memory.values, "memory_mask": memory.mask}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def tensors_to_state(tensors: dict[str, Tensor]) -> DecoderState:
    """The inverse of :func:`state_to_tensors`."""
    memory = None
    if (values := tensors.get("memory_values")) is not None:
        memory = AttentionMemory(tensors.get("memory_keys", values), values, tensors["memory_mask"])
    hidden, cell = (
        tuple(tensor for name, tensor in tensors.items() if name.startswith(kind)) for kind in ("hidden_", "cell_")
    )
    return DecoderState(
        State(hidden, cell),
        memory,
        source_vector=tensors.get("source_vector"),
        prev_features=tensors.get("prev_features"),
    )


def is_recurrent(name: str) -> bool:
    """Whether a step changes this tensor of the state."""
    return name.startswith(("hidden_", "cell_")) or name == "prev_features"


def with_end_marks(src: Tensor, lengths: Tensor, *, reverse_source: bool) -> Tensor:
    """Sources as :func:`seq2seq.corpus.batching.collate` makes them: (B, S + 1), reversed if asked, with end marks.

    Args:
        src: token ids (B, S), anything at padding.
        lengths: (B,).
        reverse_source: reverse each source.
    """
    longer = torch.cat([src, src.new_zeros(src.shape[0], 1)], dim=1)
    if reverse_source:
        longer = reverse(longer.unsqueeze(-1), lengths).squeeze(-1)
    positions, ends = torch.arange(longer.shape[1]), lengths.unsqueeze(1)
    return torch.where(positions < ends, longer, torch.where(positions == ends, EOS, PAD))
