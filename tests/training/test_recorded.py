"""Recorded updates: the same to the last bit as those that are not, without waiting, and as far as memory goes.

On a CPU a recording is the update itself, on tensors of its own, called again.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import pytest
import torch
from no_sync import no_sync
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.device import DeviceSpec
from seq2seq.graphs import Recorder
from seq2seq.model.build import build_model
from seq2seq.model.state import Encoded
from seq2seq.training import recorded
from seq2seq.training import trainer as trainer_module
from seq2seq.training.distributed import World
from seq2seq.training.loss_scale import LossScale
from seq2seq.training.recorded import are_recorded
from seq2seq.training.trainer import Trainer

T = TypeVar("T")

CPU = torch.device("cpu")
GPU = pytest.param("cuda", marks=pytest.mark.gpu)
# Rows, longest source and longest target. The first comes often, the last only once.
OFTEN, SOMETIMES, RARELY = (4, 6, 5), (3, 5, 7), (2, 3, 3)
SHAPES = [OFTEN, SOMETIMES, OFTEN, OFTEN, OFTEN, SOMETIMES, OFTEN, SOMETIMES, RARELY, SOMETIMES, OFTEN, SOMETIMES]


class Launches(TorchDispatchMode):
    """Notes every operation with its numbers and the shapes of its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kinds = tree_map(lambda leaf: (leaf.shape, leaf.dtype) if isinstance(leaf, Tensor) else leaf, (args, kwargs))
        if func.namespace == "aten":  # no marks of the profiler
            self.seen.append(f"{func}{kinds}")
        return func(*args, **(kwargs or {}))


class Watched(Recorder):
    """Counts recordings and tells what each repetition launched."""

    def __init__(self, device: str = "cpu") -> None:
        super().__init__(torch.device(device))
        self.made = 0
        self.launched: list[list[str]] = []
        self.running = False

    def record(self, work: Callable[[], T]) -> Callable[[], T]:
        self.made += 1
        recording = super().record(work)

        def repeat() -> T:
            self.running = True
            try:
                with Launches() as launches:
                    return recording()
            finally:
                self.running = False
                self.launched.append(launches.seen)

        return repeat


class NoBatches:
    """The tests hand batches over themselves."""


def some_batch(shape: tuple[int, int, int], seed: int, *, full: bool = False) -> Batch:
    """Random sentences of random lengths; the first row, or if ``full`` each, is the longest on both sides."""
    rows, src, tgt = shape
    random = torch.Generator().manual_seed(seed)

    def sentences(longest: int) -> list[list[int]]:
        shortest = longest - 1 if full else 1
        lengths = [longest - 1, *torch.randint(shortest, longest, (rows - 1,), generator=random).tolist()]
        return [torch.randint(4, 20, (length,), generator=random).tolist() for length in lengths]

    return collate(sentences(src), sentences(tgt), reverse=True)


def some_batches(shapes: Sequence[tuple[int, int, int]] = SHAPES) -> list[Batch]:
    return [some_batch(shape, seed) for seed, shape in enumerate(shapes)]


def make_trainer(recorder: Recorder | None, device: str = "cpu", precision: str = "fp32", **settings: Any) -> Trainer:
    """A tiny training with dropout; the same first weights each time."""
    torch.manual_seed(3)
    learning = {"max_updates": 1000, "learning_rate": 0.05, "warmup_updates": 5, "weight_decay": 0.01, "graphs": "off"}
    learning |= {key: settings.pop(key) for key in list(settings) if hasattr(TrainingConfig(), key)}
    model = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.3, **settings}
    device_spec = DeviceSpec.pick(device, precision)
    config = TrainingConfig(**learning)
    trainer = Trainer(build_model(ModelConfig(**model), 20, 20), NoBatches(), config, device_spec, recorder=recorder)
    trainer.model.train()
    return trainer


def learn(trainer: Trainer, batches: Sequence[Batch]) -> dict[str, Any]:
    """Makes an update on each batch; all that may depend on how."""
    for batch in batches:
        trainer._update([batch])
    return result(trainer)


def result(trainer: Trainer) -> dict[str, Any]:
    checkpoint = trainer.checkpoint().copied()
    numbers = checkpoint.numbers
    window = {name: value for name, value in numbers["window"].items() if name != "seconds"}
    return {**checkpoint.tensors, **window, "scale": numbers["scaler"], "updates": numbers["updates"]}


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    different = [
        name
        for name, value in one.items()
        if not (torch.equal(value, other[name]) if isinstance(value, Tensor) else value == other[name])
    ]
    assert different == []


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cell": "gru", "attention": "dot", "encoder": "bidirectional", "bridge": "project"},
        {"cell": "rnn", "optimizer": "sgd", "word_dropout": 0.2},
        {"cell": "rnn", "nonlinearity": "relu", "variational": True, "bridge": "every-step"},
        {"cell": "peephole", "attention": "additive", "zoneout": 0.1, "loss_mean": "sentences"},
        {"cell": "layernorm", "attention": "general", "input_feeding": True},
        {"encoder": "convolutional", "weight_dropout": 0.2, "tie_embeddings": "none", "clip_norm": 0.0},
    ],
    ids=str,
)
def test_recorded_updates_are_those_that_are_not(settings: dict[str, Any], precision: str, device: str) -> None:
    recorder = Watched(device)
    one = learn(make_trainer(recorder, device, precision, **settings), some_batches())
    same(one, learn(make_trainer(None, device, precision, **settings), some_batches()))
    # Each shape is left to others three times; from then on every update is a repetition.
    assert recorder.made == 2
    assert len(recorder.launched) == SHAPES.count(OFTEN) + SHAPES.count(SOMETIMES) - 6
    assert one["bad"] == 0


@pytest.mark.parametrize("device", ["cpu", GPU])
def test_full_batches_have_a_recording_of_their_own(device: str) -> None:
    recorder = Watched(device)
    batches = [some_batch(OFTEN, seed, full=seed % 2 == 0) for seed in range(10)]
    same(learn(make_trainer(recorder, device), batches), learn(make_trainer(None, device), batches))
    assert (recorder.made, len(recorder.launched)) == (2, 4)


@pytest.mark.parametrize("device", ["cpu", GPU])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_repetition_skips_a_gradient_that_is_not_finite(optimizer: str, device: str) -> None:
    recorder, batches = Watched(device), some_batches([OFTEN] * 8)
    trainer, other = (make_trainer(kind, device, optimizer=optimizer) for kind in (recorder, None))
    for training in (trainer, other):
        learn(training, batches[:5])
        bias = training.model.decoder.output.bias.data
        bias.fill_(float("inf"))
        before = [parameter.detach().clone() for parameter in training.model.parameters()]
        learn(training, batches[5:6])
        assert all(map(torch.equal, before, training.model.parameters()))
        bias.zero_()
    found = learn(trainer, batches[6:])
    same(found, learn(other, batches[6:]))
    assert (found["bad"], found["streak"], len(recorder.launched)) == (1, 0, 5)


def test_training_goes_on_from_a_checkpoint_within_recorded_updates() -> None:
    batches = some_batches()
    recorder = Watched()
    whole, resumed = make_trainer(recorder), make_trainer(Watched())
    learn(whole, batches[:8])
    saved = whole.checkpoint().copied()
    expected = learn(whole, batches[8:])
    assert recorder.made == 2
    for trainer in (resumed, whole):
        trainer.restore(saved.copied())
        same(learn(trainer, batches[8:]), expected)
    # The checkpoint has replaced tensors that the recordings used.
    assert recorder.made == 4


def lasting(trainer: Trainer) -> dict[str, int]:
    """The addresses of what outlives an update."""
    learner = trainer.learner
    tensors = {key: tensor for key, tensor in trainer.checkpoint().tensors.items() if tensor.dim()}
    tensors |= {f"rate {number}": group["lr"] for number, group in enumerate(learner.optimizer.param_groups)}
    tensors |= {"sums": trainer.window.nll, "numbers": learner._count, "scale": learner.scale.factor}
    return {name: tensor.data_ptr() for name, tensor in tensors.items()}


@pytest.mark.parametrize("settings", [{}, {"cell": "peephole", "attention": "additive", "optimizer": "sgd"}], ids=str)
def test_two_repetitions_launch_the_same(settings: dict[str, Any]) -> None:
    """Whatever changes from one to the next (rates, counts, tokens, lengths) comes in tensors that stay in place."""
    recorder = Watched()
    trainer = make_trainer(recorder, **settings)
    trainer.learner.scale = LossScale(CPU, enabled=True)
    places = []
    for batch in some_batches([OFTEN] * 7):
        learn(trainer, [batch])
        trainer.read_window()
        places.append(lasting(trainer))
    first, *others = recorder.launched
    assert len(first) > 100
    assert [first] * 3 == others
    assert places[2:] == [places[2]] * 5


@pytest.mark.parametrize("recorder", [None, Watched()])
@pytest.mark.parametrize("settings", [{}, {"cell": "gru", "attention": "dot", "optimizer": "sgd"}], ids=str)
def test_no_update_waits(settings: dict[str, Any], recorder: Recorder | None, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = some_batches()
    counts = {id(batch): trainer_module._count(batch) for batch in batches}  # batches are counted on the host
    monkeypatch.setattr(trainer_module, "_count", lambda batch: counts[id(batch)])
    trainer = make_trainer(recorder, **settings)
    trainer.learner.scale = LossScale(CPU, enabled=True)
    with no_sync():
        for batch in batches:
            trainer._update([batch])


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("graphs", ["auto", "off"])
def test_no_update_waits_on_a_gpu(graphs: str, precision: str) -> None:
    trainer, batches = make_trainer(None, "cuda", precision, graphs=graphs, attention="dot"), some_batches()
    learn(trainer, batches)  # a recording itself waits
    torch.cuda.set_sync_debug_mode("error")
    try:
        for batch in batches[:7]:  # not up to the 20th, when the host looks whether gradients are finite
            trainer._update([batch])
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_gpu_learns_the_same_twice(precision: str) -> None:
    one, other = (learn(make_trainer(None, "cuda", precision, graphs="auto"), some_batches()) for _ in range(2))
    same(one, other)


def run_short(trainer: Trainer, is_too_much: Callable[[int], bool]) -> None:
    """Lets memory run out, halfway through the backward pass, where that is so of the rows of a batch."""

    def check(grad: Tensor) -> None:
        if is_too_much(len(grad)):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 TiB")

    def watch(_: object, __: object, encoded: Encoded) -> None:
        encoded.final.hidden[0].register_hook(check)

    trainer.model.encoder.register_forward_hook(watch)


@pytest.mark.parametrize(("most", "launched"), [(3, 1 + 2 * SHAPES.count(SOMETIMES) - 3), (2, 2)])
def test_what_does_not_fit_as_a_recording_is_done_without(
    most: int, launched: int, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder, batches = Watched(), some_batches(SHAPES * 2)
    trainer = make_trainer(recorder)
    run_short(trainer, lambda rows: recorder.running and rows > most)
    same(learn(trainer, batches), learn(make_trainer(None), batches))
    assert trainer.state.oom_cells == 0
    # The larger shape was tried once, and then the smaller one.
    assert (recorder.made, len(recorder.launched)) == (2, launched)
    assert capsys.readouterr().err.count("out of memory with CUDA graphs: from now on large updates") == 1


def test_recordings_make_room_before_a_batch_is_split(capsys: pytest.CaptureFixture[str]) -> None:
    recorder = Watched()
    trainer, batches = make_trainer(recorder), some_batches([OFTEN] * 5 + [SOMETIMES] + [OFTEN] * 5)
    run_short(trainer, lambda _: not recorder.running and trainer.recorded.holds_memory)
    same(learn(trainer, batches), learn(make_trainer(None), batches))
    assert trainer.state.oom_cells == 0
    assert (recorder.made, len(recorder.launched)) == (1, 2)
    assert capsys.readouterr().err.count("out of memory") == 1


def test_batches_that_must_be_split_are_not_recorded() -> None:
    recorder = Watched()
    trainer = make_trainer(recorder)
    trainer.state.oom_cells = 40  # OFTEN has 44, SOMETIMES 36
    learn(trainer, some_batches())
    assert recorder.made == 1


def test_the_rarest_recording_makes_room_for_a_shape_that_comes_twice_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(recorded, "_MOST", 1)
    recorder = Watched()
    trainer = make_trainer(recorder)
    learn(trainer, some_batches([OFTEN] * 4 + [SOMETIMES] * 7))
    assert (recorder.made, len(recorder.launched)) == (1, 1)
    learn(trainer, some_batches([SOMETIMES] * 2))
    assert (recorder.made, len(recorder.launched)) == (2, 3)
    learn(trainer, some_batches([OFTEN]))
    assert (recorder.made, len(recorder.launched)) == (2, 3)


def test_nothing_is_recorded_while_a_backbone_learns() -> None:
    recorder = Watched()
    learn(make_trainer(recorder, finetune_from=1), some_batches())
    assert recorder.made == 0


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"graphs": "off"}, False),
        ({"accumulate": 2}, False),
        ({"device": "cpu"}, False),
        ({"size": 2}, False),
        ({"layers": ("cuda", "cuda:1")}, False),
    ],
    ids=str,
)
def test_where_updates_are_recorded(changed: dict[str, Any], expected: bool) -> None:
    given = {"graphs": "auto", "accumulate": 1, "device": "cuda", "size": 1, "layers": ()} | changed
    config = TrainingConfig(max_updates=1, graphs=given["graphs"], accumulate=given["accumulate"])
    layers = tuple(map(torch.device, given["layers"]))
    device_spec = DeviceSpec(torch.device(given["device"]), torch.float32, layers=layers)
    assert are_recorded(config, device_spec, World(size=given["size"])) is expected
