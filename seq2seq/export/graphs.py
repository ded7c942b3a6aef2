"""The two halves of a model as functions of plain tensors, which is what ONNX can say.

Shapes: ``B`` batch, ``S`` source length, ``P`` positions of the memory, ``V`` vocabulary.
"""

import torch
from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import EOS, PAD
from seq2seq.export.onnx_parts import for_onnx
from seq2seq.model.recurrent import reverse
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import AttentionMemory, DecoderState, State

NEXT = "_next"
"""What a step returns has the name of what it takes the place of, and this."""


class EncoderGraph(nn.Module):
    """From sources to everything that a decoder step needs.

    Args:
        model: any model of the package.
        reverse_source: it reads sources back to front.
    """

    def __init__(self, model: Seq2Seq, *, reverse_source: bool) -> None:
        super().__init__()
        self.encoder = for_onnx(model.encoder)
        self.decoder = model.decoder
        self.reverse_source = reverse_source

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The parts of the state that a decoder starts from.

        Args:
            inputs: ``src``, token ids (B, S) without marks, and ``lengths`` (B,), how many of each row count.
        """
        src, lengths = inputs["src"], inputs["lengths"]
        src = marked(src, lengths, reverse_source=self.reverse_source)
        return self.start(Batch(src, lengths + 1, src, src))

    def start(self, batch: Batch) -> dict[str, Tensor]:
        """The same from a batch as the model's encoder wants it."""
        return parts(self.decoder.begin(self.decoder.start(self.encoder(batch))))


class PictureGraph(EncoderGraph):
    """From pictures to everything that a decoder step needs."""

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__(model, reverse_source=False)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """The same from ``pixels`` (B, 3, 224, 224), red, green and blue from -1 to 1."""
        pixels = inputs["pixels"]
        return self.start(Batch(pixels, pixels.new_ones(pixels.shape[0]), pixels, pixels))


class StepGraph(nn.Module):
    """One token on.

    Args:
        model: any model of the package.
    """

    def __init__(self, model: Seq2Seq) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """``log_probs`` (B, V) of the next token, and those parts of the state that have changed, as ``…_next``.

        Args:
            inputs: ``token`` (B,) and the parts of the state.
        """
        logits, state = self.decoder.step(inputs["token"], joined(inputs))
        log_probs = torch.log_softmax(logits, dim=-1)
        return {"log_probs": log_probs} | {name + NEXT: part for name, part in parts(state).items() if carried(name)}


def parts(state: DecoderState) -> dict[str, Tensor]:
    """A decoder's state by name: ``hidden_0``, …, ``cell_0``, …, ``prev_features``, ``source_vector``, ``memory_…``."""
    found: dict[str, Tensor | None] = {f"hidden_{number}": part for number, part in enumerate(state.layers.hidden)}
    found |= {f"cell_{number}": part for number, part in enumerate(state.layers.cell)}
    found |= {"prev_features": state.prev_features, "source_vector": state.source_vector}
    if (memory := state.memory) is not None:
        # Dot attention compares with the memory itself.
        found["memory_keys"] = None if memory.keys is memory.values else memory.keys
        found |= {"memory_values": memory.values, "memory_mask": memory.mask}
    return {name: part for name, part in found.items() if part is not None}


def joined(found: dict[str, Tensor]) -> DecoderState:
    """The inverse of :func:`parts`."""
    memory = None
    if (values := found.get("memory_values")) is not None:
        rows = torch.arange(values.shape[0])
        memory = AttentionMemory(found.get("memory_keys", values), values, found["memory_mask"], rows)
    hidden, cell = (
        tuple(part for name, part in found.items() if name.startswith(kind)) for kind in ("hidden_", "cell_")
    )
    return DecoderState(
        State(hidden, cell), memory, source_vector=found.get("source_vector"), prev_features=found.get("prev_features")
    )


def carried(name: str) -> bool:
    """Whether a step changes this part of the state."""
    return name.startswith(("hidden_", "cell_")) or name == "prev_features"


def marked(src: Tensor, lengths: Tensor, *, reverse_source: bool) -> Tensor:
    """What :func:`seq2seq.corpus.batching.collate` makes of sources: (B, S + 1), reversed if asked, with end marks.

    Args:
        src: token ids (B, S), anything behind a row's end.
        lengths: (B,).
        reverse_source: read each source back to front.
    """
    longer = torch.cat([src, src.new_zeros(src.shape[0], 1)], dim=1)
    if reverse_source:
        longer = reverse(longer.unsqueeze(-1), lengths).squeeze(-1)
    places, ends = torch.arange(longer.shape[1]), lengths.unsqueeze(1)
    return torch.where(places < ends, longer, torch.where(places == ends, EOS, PAD))
