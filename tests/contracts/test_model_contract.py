"""The contract of every model: all cells × encoders × bridges × attentions × depths, and other settings."""

import copy
from dataclasses import replace
from itertools import product

import pytest
import torch
from no_sync import no_sync

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.files.tensors import load_tensors, save_tensors
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.runs.folder import restore_weights, unique_tensors
from seq2seq.search.beam import beam_search
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, Rules
from seq2seq.training.objective import Objective

# With their end marks 6, 2 and 5 tokens: the last is no multiple of the pool, so padding lies inside a window.
SOURCES = [[5, 6, 7, 8, 9], [4], [10, 11, 12, 13]]
TARGETS = [[5, 6], [7, 8, 9, 10], []]
VOCAB = 20

FAMILY = [
    {"cell": cell, "encoder": encoder, "bridge": bridge, "attention": attention, "layers": layers}
    for cell, encoder, bridge, attention, layers in product(
        ("lstm", "gru", "rnn", "peephole", "layernorm"),
        ("stacked", "bidirectional", "convolutional"),
        ("copy", "project", "mean", "every-step"),
        ("none", "dot", "general", "additive"),
        (1, 3),
    )
]
OTHERS = [
    *({"tie_embeddings": tie, "residual_from": residual} for tie in ("none", "target", "all") for residual in (0, 2)),
    {"hidden_size": (8, 12), "tie_embeddings": "target", "layers": 2},
    {"hidden_size": (8, 12), "decoder_layers": 1, "decoder_hidden_size": 6, "bridge": "project", "layers": 2},
    {"hidden_size": (8, 12), "decoder_layers": 1, "decoder_hidden_size": 6, "bridge": "mean", "attention": "general"},
    {"initialisation": "uniform", "cell": "layernorm"},
    {"cell": "gru", "decoder_cell": "lstm", "bridge": "project"},
    {"cell": "lstm", "decoder_cell": "rnn", "bridge": "every-step", "nonlinearity": "relu"},
    {"cell": "lstm", "decoder_cell": "peephole"},
    {"encoder": "bidirectional", "bidirectional_layers": "first", "residual_from": 2, "attention": "additive"},
    {"encoder": "bidirectional", "variational": True, "attention": "dot"},
    *({"bridge": "first-input", "attention": attention} for attention in ("none", "general")),
    *({"input_feeding": True, "attention": "general", "layers": layers, "bridge": "every-step"} for layers in (1, 2)),
    {"input_feeding": True, "attention": "additive", "bridge": "first-input", "tie_embeddings": "none"},
    {"attention": "dot", "hidden_size": 8, "residual_from": 1},
    {"encoder": "convolutional", "filter_width": 9, "attention": "general"},
    *(
        {"encoder": "image", "bridge": bridge, "attention": attention, "layers": layers, "tie_embeddings": "target"}
        for bridge, attention, layers in product(
            ("project", "mean", "every-step", "first-input"), ("none", "dot", "general", "additive"), (1, 3)
        )
    ),
]


def make(settings: dict[str, object]) -> Seq2Seq:
    defaults = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0, "pool": 2, "filter_width": 3}
    return build_model(ModelConfig(**(defaults | settings)), VOCAB, VOCAB).double().eval()


def read(model: Seq2Seq, sources: list[list[int]], targets: list[list[int]] | None = None) -> Batch:
    """The sources as the model's encoder wants them: tokens, or a feature map for each."""
    if not model.encoder.backbone_parameters():
        return collate(sources, targets, reverse=True)
    maps = [torch.randn(49, 1280, generator=torch.Generator().manual_seed(sum(source))) for source in sources]
    return collate_images(torch.stack(maps).double(), targets)


def everything(model: Seq2Seq, batch: Batch) -> torch.Tensor:
    return model.decoder.output(model(batch))


@pytest.fixture(params=[*FAMILY, *OTHERS], ids=lambda settings: " ".join(map(str, settings.values())))
def settings(request: pytest.FixtureRequest) -> dict[str, object]:
    return request.param


def test_the_contract(settings: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    model = make(settings)
    batch = read(model, SOURCES, TARGETS)
    logits = everything(model, batch)
    check_shapes(model, batch, logits)
    check_forward_equals_repeated_step(model, batch, logits)
    check_outputs_do_not_depend_on_the_batch(model, batch, logits)
    check_gradients_reach_every_parameter(model, batch)
    check_saved_weights_give_the_same_outputs(settings, model, batch, tmp_path_factory.getbasetemp())
    check_beam_search_runs(model, batch)


@pytest.mark.gpu
def test_a_gpu_computes_what_a_cpu_does_and_the_host_never_waits(settings: dict[str, object]) -> None:
    model = make(settings).train()
    batch = read(model, SOURCES, TARGETS)
    losses, gradients = [], []
    for device in map(torch.device, ("cpu", "cuda")):
        objective, there = Objective(copy.deepcopy(model).to(device), 0.1), batch.to(device)
        objective(there)  # kernels are loaded at their first call
        objective.zero_grad()
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")
        try:
            loss = objective(there).smoothed
            loss.backward()
        finally:
            if device.type == "cuda":
                torch.cuda.set_sync_debug_mode("default")
        losses.append(loss.detach().cpu())
        gradients.append([weight.grad.cpu() for weight in objective.parameters() if weight.grad is not None])
    torch.testing.assert_close(*losses)
    torch.testing.assert_close(*gradients)


RANDOM = {"dropout": 0.3, "word_dropout": 0.2, "weight_dropout": 0.3}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "settings",
    [
        *({"cell": cell, "encoder": "bidirectional", "attention": "general"} for cell in ("lstm", "gru", "rnn")),
        *({"cell": cell, "zoneout": 0.2, "bridge": "mean"} for cell in ("peephole", "layernorm")),
        {"encoder": "convolutional", "variational": True, "attention": "additive", "input_feeding": True},
        {"cell": "rnn", "nonlinearity": "relu", "tie_embeddings": "all"},
    ],
    ids=str,
)
def test_whatever_is_drawn_or_cast_the_host_never_waits(settings: dict[str, object], dtype: torch.dtype) -> None:
    objective = Objective(make(RANDOM | settings).float().train(), 0.1)
    batch = collate(SOURCES, TARGETS, reverse=True)
    with no_sync():
        objective.loss(batch, objective.cast_weights(dtype)).smoothed.backward()
    assert all(weight.grad.isfinite().all() for weight in objective.parameters())


def check_shapes(model: Seq2Seq, batch: Batch, logits: torch.Tensor) -> None:
    encoded, state = model.encode(batch)
    positions = encoded.mask.shape[1]
    assert encoded.memory.shape == (3, positions, model.encoder.output_size)
    # Every token, every pair of tokens, the positions of a feature map, or its mean if there is no attention.
    assert encoded.mask.sum(1).tolist() in ([6, 2, 5], [3, 1, 3], [49] * 3, [1] * 3)
    layers = [*model.decoder.bottom.layers, *model.decoder.upper.layers]
    assert len(state.layers.hidden) == len(layers)
    assert len(state.layers.cell) in (0, len(layers))
    assert logits.shape == (3, 5, VOCAB)
    if model.decoder.attention is not None:
        weights = model.decoder.align(batch.tgt_in, state)
        assert weights.shape == (3, 5, positions)
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
        assert not weights.masked_select(~encoded.mask.unsqueeze(1)).any()


def check_forward_equals_repeated_step(model: Seq2Seq, batch: Batch, logits: torch.Tensor) -> None:
    _, state = model.encode(batch)
    for time in range(batch.tgt_in.shape[1]):
        step, state = model.decoder.step(batch.tgt_in[:, time], state)
        torch.testing.assert_close(step, logits[:, time])


def check_outputs_do_not_depend_on_the_batch(model: Seq2Seq, batch: Batch, logits: torch.Tensor) -> None:
    for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        single = read(model, [source], [target])
        alone = everything(model, single)
        torch.testing.assert_close(logits[row : row + 1, : alone.shape[1]], alone)
        # Whoever does not know that nothing is padded gets the same.
        torch.testing.assert_close(everything(model, replace(single, full=False)), alone)


def check_gradients_reach_every_parameter(model: Seq2Seq, batch: Batch) -> None:
    with no_sync():
        Objective(model, 0.1)(batch).smoothed.backward()
    learned = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert [name for name, parameter in learned.items() if parameter.grad is None or not parameter.grad.any()] == []


def check_saved_weights_give_the_same_outputs(settings, model: Seq2Seq, batch: Batch, folder) -> None:
    save_tensors(folder / "w.safetensors", unique_tensors(model))
    with torch.device("meta"):
        other = make(settings)
    restore_weights(other, load_tensors(folder / "w.safetensors"), folder)
    assert torch.equal(everything(other, batch), everything(model, batch))
    # Tied tables are still one table.
    assert len(list(other.parameters())) == len(list(model.parameters()))


def check_beam_search_runs(model: Seq2Seq, batch: Batch) -> None:
    limits, rules = torch.tensor([4, 3, 2]), {"eos": 3, "strikes": [Banned((0, 1, 2))]}
    with torch.inference_mode():
        _, state = model.encode(batch)
        together = beam_search(SearchProblem(model.decoder.step, state, 2, Rules(longest=limits, **rules)), width=3)
        for row, source in enumerate(SOURCES):
            _, state = model.encode(read(model, [source]))
            own = Rules(longest=limits[row : row + 1], **rules)
            (alone,) = beam_search(SearchProblem(model.decoder.step, state, 2, own), width=3)
            assert [output.tokens for output in together[row]] == [output.tokens for output in alone]
