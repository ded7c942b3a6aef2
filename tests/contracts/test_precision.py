"""Half precision: every product of a model runs in the type that was asked for, while float32 weights learn."""

import copy
import gc
import weakref
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import seq2seq
from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.corpus.batching import Batch, collate, collate_images
from seq2seq.corpus.images import SIZE
from seq2seq.decoding.readers import Member
from seq2seq.decoding.scoring import token_log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.graphs import Recorder
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.runs.folder import load_run
from seq2seq.search.recorded import Recordings
from seq2seq.training.objective import Objective
from seq2seq.training.trainer import Trainer

BF16 = DeviceSpec.pick("cpu", "bf16")
IMAGE = {"encoder": "image", "attention": "additive", "bridge": "first-input", "tie_embeddings": "target"}
MODELS: list[dict[str, object]] = [
    {"tie_embeddings": "all"},
    {"cell": "gru", "encoder": "bidirectional", "bridge": "every-step", "attention": "dot"},
    {"cell": "rnn", "encoder": "convolutional", "bridge": "mean", "attention": "additive"},
    {"cell": "peephole", "attention": "general", "tie_embeddings": "target"},
    {"cell": "layernorm", "encoder": "bidirectional", "bridge": "project"},
    {"input_feeding": True, "attention": "general", "bridge": "first-input"},
    IMAGE,
]
PRODUCTS = {
    *("mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "convolution", "convolution_backward", "conv1d", "conv2d"),
    *("mkldnn_rnn_layer", "mkldnn_rnn_layer_backward", "lstm", "gru", "rnn_tanh", "linear_dynamic"),
}


class Types(TorchDispatchMode):
    """Notes which types meet in products, and how often each tensor is cast to a half type."""

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[str, set[torch.dtype]] = {}
        self.casts: Counter[int] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in PRODUCTS:
            tensors = [leaf for leaf in tree_leaves(args) if isinstance(leaf, Tensor) and leaf.is_floating_point()]
            self.products.setdefault(name, set()).update(tensor.dtype for tensor in tensors)
        if name == "_to_copy" and (kwargs or {}).get("dtype") in (torch.bfloat16, torch.float16):
            self.casts[args[0].data_ptr()] += 1
        return func(*args, **(kwargs or {}))


def make(settings: dict[str, object]) -> Seq2Seq:
    defaults = {"layers": 2, "hidden_size": 16, "embedding_size": 8, "dropout": 0.0, "pool": 2, "filter_width": 3}
    return build_model(ModelConfig(**(defaults | settings)), 20, 20).train()


def batch_of(settings: dict[str, object]) -> Batch:
    sources, targets = [[5, 6, 7, 8, 9], [4], [10, 11, 12, 13]], [[5, 6], [7, 8, 9, 10], []]
    if settings.get("encoder") == "image":
        return collate_images(torch.rand(3, 3, SIZE, SIZE) * 2 - 1, targets)
    return collate(sources, targets, reverse=True)


def trainer_of(model: Seq2Seq) -> Trainer:
    return Trainer(model, None, TrainingConfig(max_updates=9), BF16)


@pytest.fixture(params=MODELS, ids=str)
def settings(request: pytest.FixtureRequest) -> dict[str, object]:
    return request.param


def test_products_of_an_update_run_in_the_type_and_no_weight_is_cast_twice(settings: dict[str, object]) -> None:
    model, batch = make(settings), batch_of(settings)
    with Types() as types:
        trainer_of(model)._update([batch, batch])
    assert types.products
    assert {dtype for found in types.products.values() for dtype in found} == {torch.bfloat16}, types.products
    backbone = set(map(id, model.encoder.backbone_parameters()))
    learned = [parameter for parameter in model.parameters() if id(parameter) not in backbone]
    assert {types.casts[parameter.data_ptr()] for parameter in learned} == {1}


def test_weights_moments_and_checkpoints_stay_float32(settings: dict[str, object]) -> None:
    model = make(settings)
    trainer, before = trainer_of(model), copy.deepcopy(model.state_dict())
    trainer._update([batch_of(settings)])
    floats = [tensor for tensor in trainer.checkpoint().tensors.values() if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floats} == {torch.float32}
    assert all(parameter.is_leaf and parameter.dtype == torch.float32 for parameter in model.parameters())
    backbone = "encoder.backbone."
    moved = {name: not torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items()}
    assert [name for name, has in moved.items() if not has and not name.startswith(backbone)] == []
    assert not any(has for name, has in moved.items() if name.startswith(backbone))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_are_those_of_a_model_of_that_type(settings: dict[str, object], dtype: torch.dtype) -> None:
    model, batch = make(settings), batch_of(settings)
    objective, half = Objective(model, 0.1), copy.deepcopy(model)
    half.cast(dtype)
    expected = Objective(half, 0.1)(batch)
    loss = objective.loss(batch, objective.cast_weights(dtype))
    assert torch.equal(loss.smoothed, expected.smoothed)
    loss.smoothed.backward()
    expected.smoothed.backward()
    for one, other in zip(model.parameters(), half.parameters(), strict=True):
        if one.requires_grad:
            assert torch.equal(one.grad, other.grad.float())
            assert one.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_comes_close(settings: dict[str, object], dtype: torch.dtype) -> None:
    objective, batch = Objective(make(settings), 0.1), batch_of(settings)
    with torch.no_grad():
        exact, rough = objective(batch), objective.loss(batch, objective.cast_weights(dtype))
    torch.testing.assert_close(rough.smoothed, exact.smoothed, rtol=0.01, atol=0.0)
    assert rough.smoothed.dtype == torch.float32
    assert not torch.equal(rough.smoothed, exact.smoothed)


def test_a_backbone_keeps_its_weights_and_computes_in_the_type() -> None:
    model, batch = make(IMAGE).eval(), batch_of(IMAGE)
    with torch.inference_mode():
        exact = model.encoder(batch).memory
        model.cast(torch.bfloat16)
        with Types() as types:
            memory = model.encoder(batch).memory
    assert {tensor.dtype for tensor in model.encoder.backbone.state_dict().values()} <= {torch.float32, torch.int64}
    assert {dtype for found in types.products.values() for dtype in found} == {torch.bfloat16}
    assert memory.dtype == torch.bfloat16
    torch.testing.assert_close(memory.float(), exact, rtol=0.05, atol=0.05)


def floats(module: torch.nn.Module) -> set[torch.dtype]:
    return {parameter.dtype for parameter in module.parameters()}


def decoded_types(translator: Translator) -> set[torch.dtype]:
    """Of the products of a beam search and of scoring."""
    with Types() as types:
        translator.translate(["123", "8675309"])
        token_log_probs(translator, ["123", "8675309"], [[5, 6, 7], [8, 9, 5, 6]])
    assert types.products
    assert not types.casts.keys() & {parameter.data_ptr() for parameter in translator.model.parameters()}
    return {dtype for found in types.products.values() for dtype in found}


def test_loaded_weights_are_of_the_type_and_are_never_cast(digits_run: Path) -> None:
    translator = seq2seq.load(digits_run, device="cpu", precision="bf16")
    assert floats(translator.model) == {torch.bfloat16}
    assert decoded_types(translator) == {torch.bfloat16}


@pytest.mark.parametrize("tie", ["none", "all"])
def test_eight_bits_leave_the_encoder_the_type_and_the_decoder_float32(tie: str) -> None:
    config = ModelConfig(hidden_size=16, embedding_size=8, layers=2, dropout=0.0, tie_embeddings=tie, cell="peephole")
    member = Member(build_model(config, 20, 20), None, None, None)
    int8 = DeviceSpec(torch.device("cpu"), torch.bfloat16, int8=True)
    model = Translator([member], int8).snapshot().model
    assert (floats(model.encoder), floats(model.decoder)) == ({torch.bfloat16}, {torch.float32})
    with torch.inference_mode():
        encoded, state = model.encode(batch_of({}))
        logits, state = model.decoder.step(torch.tensor([5, 6, 7]), state)
    assert (encoded.memory.dtype, logits.dtype, state.layers.hidden[0].dtype) == (torch.bfloat16, *[torch.float32] * 2)


def test_a_snapshot_leaves_the_model_that_learns_alone(digits_run: Path) -> None:
    loaded = load_run(digits_run)
    member = Member(loaded.model.train(), loaded.vocabularies, loaded.config, loaded.target_lengths)
    translator = Translator([member], BF16)
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    other = translator.snapshot()
    assert (loaded.model.training, other.model.training) == (True, False)
    assert (floats(loaded.model), floats(other.model)) == ({torch.float32}, {torch.bfloat16})
    assert decoded_types(other) == {torch.bfloat16}
    assert all(torch.equal(tensor, before[name]) for name, tensor in loaded.model.state_dict().items())


def test_a_snapshot_does_not_outlive_its_use_in_recorded_steps(digits_run: Path) -> None:
    loaded = load_run(digits_run)
    member = Member(loaded.model, loaded.vocabularies, loaded.config, loaded.target_lengths)
    translator = Translator([member], DeviceSpec.pick("cpu", "fp32"))
    translator.recordings = Recordings(Recorder(torch.device("cpu")), steps=2)  # what a GPU has
    other = translator.snapshot()
    assert other.translate(["123", "4567"])
    decoder = weakref.ref(other.model.decoder)
    del other
    gc.collect()
    assert decoder() is None


def test_half_precision_decodes_alike(digits_run: Path) -> None:
    sources: Sequence[str] = [str(number * 7919) for number in range(60)]
    fp32, bf16 = (seq2seq.load(digits_run, device="cpu", precision=name) for name in ("fp32", "bf16"))
    exact = fp32.translate(sources)
    same = [one.text == two.text for one, two in zip(exact, bf16.translate(sources), strict=True)]
    assert sum(same) >= 50
    scores = (token_log_probs(one, sources, [output.ids for output in exact]) for one in (fp32, bf16))
    torch.testing.assert_close(*map(torch.cat, scores), rtol=0.05, atol=0.1)
